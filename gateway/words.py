"""The words that applicants read: gettext catalogues by language, English when there is none.

A catalogue is gateway/locale/LANGUAGE/LC_MESSAGES/porter.mo. English stands in the code itself,
so it needs no catalogue and can never be missing.
"""

import gettext
from collections.abc import Callable
from datetime import timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Protocol

ENGLISH = "en"
_CATALOGUES = Path(__file__).parent / "locale"
_LONGEST_HEADER = 500  # characters; a browser's list of languages has some fifty


@cache
def languages() -> tuple[str, ...]:
    """The languages that we speak, English first."""
    found = sorted(file.parts[-3].lower() for file in _CATALOGUES.glob("*/LC_MESSAGES/porter.mo"))
    return (ENGLISH, *(language for language in found if language != ENGLISH))


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    for folder in _CATALOGUES.glob("*/LC_MESSAGES/porter.mo"):
        if folder.parts[-3].lower() == language:
            with folder.open("rb") as file:
                return gettext.GNUTranslations(file)
    return gettext.NullTranslations()


class Speech(Protocol):
    """The words of one language, as gettext's translations give them."""

    @property
    def gettext(self) -> Callable[[str], str]: ...

    @property
    def ngettext(self) -> Callable[[str, str, int], str]: ...


def speech(language: str) -> gettext.NullTranslations:
    """The words of `language`; English for a language that we do not speak."""
    # Only a known language reaches the disk: the code came from outside.
    return _catalogue(language if language in languages() else ENGLISH)


@lru_cache(maxsize=256)
def preferred(accept_language: str) -> str:
    """The language that a visitor likes best among ours, from the header Accept-Language."""
    best, best_weight = ENGLISH, 0.0
    for choice in accept_language[:_LONGEST_HEADER].split(","):
        tag, _, parameter = choice.strip().lower().partition(";")
        weight = _weight(parameter)
        # `de-at` is content with `de`; the first of two equals wins.
        language = next((name for name in _shorter(tag.strip()) if name in languages()), None)
        if tag.strip() == "*":
            language = ENGLISH
        if language is not None and weight > best_weight:
            best, best_weight = language, weight
    return best


def time_left(left: timedelta, words: Speech) -> str:
    """`3 hours and 41 minutes`: the two largest units, rounded down."""
    minutes = max(0, int(left.total_seconds()) // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = []
    if days:
        parts.append(words.ngettext("%(num)d day", "%(num)d days", days) % {"num": days})
    if hours:
        parts.append(words.ngettext("%(num)d hour", "%(num)d hours", hours) % {"num": hours})
    if minutes and len(parts) < 2:
        text = words.ngettext("%(num)d minute", "%(num)d minutes", minutes)
        parts.append(text % {"num": minutes})
    if not parts:
        return words.gettext("less than a minute")
    if len(parts) == 1:
        return parts[0]
    return words.gettext("%(first)s and %(second)s") % {"first": parts[0], "second": parts[1]}


def _shorter(tag: str) -> list[str]:
    """`zh-hant-tw`, `zh-hant`, `zh`."""
    parts = tag.split("-")
    return ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
