"""What the desk needs of others: the mail server, the homeserver, the room.

Asked side by side, and each with less patience than the desk at work has: ten seconds in all.
"""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import aiohttp
from yarl import URL

from bot.account import rule_of, session_of
from bot.operator.finding import Finding
from bot.room.inspection import inspect
from gateway import edges
from gateway.config import ConfigError
from gateway.homeserver.homeserver import HomeserverError
from gateway.homeserver.question import ask
from gateway.mail.delivery import DeliveryError
from gateway.settings import Bot, Settings

_MAIL_LIMIT = timedelta(seconds=8)
_QUESTION_LIMIT = timedelta(seconds=4)
_ROOM_LIMIT = 6.0  # seconds; they begin when the homeserver has answered
# What the room's own check says of a room that the bot can work in.
_ROOM_WARNINGS = (
    "joins when it starts",
    "make it invite-only",
    "change its history visibility",
    "make sure that this is wanted",
)


async def ask_around(settings: Settings, *, may_log_in: bool) -> list[Finding]:
    """Everything found; the room is asked only with `may_log_in`, for a log-in must be kept."""
    settings = _hurried(settings)
    return await _side_by_side(_check_mail(settings), _check_homeserver(settings, may_log_in))


def _hurried(settings: Settings) -> Settings:
    """The same settings with less patience."""
    smtp, homeserver = settings.smtp, settings.homeserver
    return settings.model_copy(
        update={
            "smtp": smtp.model_copy(update={"timeout": min(smtp.timeout, _MAIL_LIMIT)}),
            "homeserver": homeserver.model_copy(
                update={"timeout": min(homeserver.timeout, _QUESTION_LIMIT)}
            ),
        }
    )


async def _side_by_side(*questions: Coroutine[Any, Any, list[Finding]]) -> list[Finding]:
    return [finding for answer in await asyncio.gather(*questions) for finding in answer]


async def _check_mail(settings: Settings) -> list[Finding]:
    try:
        mailer = edges.make_mailer(settings)
    except ConfigError as error:
        return [*map(Finding, error.faults)]
    try:
        await mailer.check()
    except DeliveryError as error:
        remedy = "smtp.host, smtp.port and smtp.security must be the mail server's"
        if "refused our log-in" in str(error):
            remedy = "smtp.username and smtp.password must be those that it knows"
        return [Finding(f"smtp: {error}; {remedy}")]
    finally:
        await mailer.close()
    return []


async def _check_homeserver(settings: Settings, may_log_in: bool) -> list[Finding]:
    bot, way = settings.bot, settings.homeserver.way
    async with aiohttp.ClientSession() as session:
        silence = await _check_versions(session, settings)
        questions = []
        if not silence or way == "token_file":
            questions.append(_check_tokens(session, settings))
        if not silence and bot is not None and may_log_in:
            questions.append(_check_room(settings, bot))
        found = silence + await _side_by_side(*questions)
    if bot is None:
        text = "bot: not configured; nobody moderates, and no alert is shown anywhere"
        found.append(Finding(text, is_warning=True))
    return found


async def _check_versions(session: aiohttp.ClientSession, settings: Settings) -> list[Finding]:
    url, limit = settings.homeserver.url.rstrip("/"), settings.homeserver.timeout
    remedy = "it must be the address under which Matrix clients reach the homeserver"
    try:
        answer = await ask(session, "GET", URL(f"{url}/_matrix/client/versions"), timeout=limit)
    except HomeserverError as error:
        return [Finding(f"homeserver.url: {error}; {remedy}")]
    if answer.status != 200 or not isinstance(answer.body.get("versions"), list):
        said = f"{url} answered {answer.status}, but not as a homeserver does"
        return [Finding(f"homeserver.url: {said}; {remedy}")]
    return []


async def _check_tokens(session: aiohttp.ClientSession, settings: Settings) -> list[Finding]:
    if settings.homeserver.way == "admin_room":
        return []  # the bot asks for them, and looks after its rooms
    try:
        await edges.make_homeserver(settings, session).check()
    except HomeserverError as error:
        if settings.homeserver.way == "token_file":
            remedy = "its folder must be there and writable for Porter's user"
            return [Finding(f"homeserver.token_file: {error}; {remedy}")]
        if settings.homeserver.way == "client_id":
            return [Finding(f"homeserver: {error}")]
        remedy = "it must be an access token of a server admin"
        return [Finding(f"homeserver.admin_token: {error}; {remedy}")]
    return []


async def _check_room(settings: Settings, bot: Bot) -> list[Finding]:
    try:
        async with asyncio.timeout(_ROOM_LIMIT):
            sentences = await inspect(
                session_of(settings, bot),
                bot.room,
                rule_of(bot),
                admin_room=settings.homeserver.admin_room,
                server_name=settings.server_name,
            )
    except TimeoutError:
        url = settings.homeserver.url
        return [Finding(f"bot: {url} did not answer about the room within {_ROOM_LIMIT:g} s")]
    found = []
    for sentence in sentences:
        has_key = sentence.startswith(("bot", "homeserver."))
        text = sentence if has_key else f"bot: {sentence}"
        is_warning = any(sign in sentence for sign in _ROOM_WARNINGS)
        found.append(Finding(text.removesuffix("."), is_warning))
    return found
