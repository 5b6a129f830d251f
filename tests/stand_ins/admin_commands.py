"""The token commands of an admin room, word by word as continuwuity and tuwunel answer them.

Pure: a line in, a reply out, and `tokens` tells what is in force. From their sources:
src/admin/token and src/service/registration_tokens; the refusals are those of clap 4.
"""

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass

_HELP = "\n\nFor more information, try '--help'.\n"
_ALPHABET = string.ascii_letters + string.digits
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass
class Live:
    """A token in force. `uses` are all that it has, `seconds` its whole life; none: no end."""

    uses: int | None = None
    seconds: int | None = None
    used: int = 0


class Refusal(Exception):
    """What clap says of a line that it cannot read."""


class AdminCommands:
    """Reads commands. `kind` is continuwuity or tuwunel; `link` begins each invite link."""

    def __init__(
        self, kind: str = "continuwuity", *, is_old: bool = False, link: str | None = None
    ) -> None:
        self.tokens: dict[str, Live] = {}
        self._kind = kind
        self._is_old = is_old  # continuwuity until 0.5.9
        self._link = link

    def count(self, token: str, used: int) -> None:
        """A token opened so many accounts; one that is used up is gone."""
        live = self.tokens[token]
        live.used = used
        if live.uses is not None and used >= live.uses:
            del self.tokens[token]

    def answer(self, line: str) -> str:
        """The reply to a line that begins with `!admin`."""
        words = line.split()
        try:
            match words[1:]:
                case ["token", "issue", *flags]:
                    return self._issue(flags)
                case ["token", "revoke", token]:
                    return self._revoke(token)
                case ["token", "list"]:
                    told = [f"- `{each}` --- {self._told(each)}\n" for each in self.tokens]
                    return f"Found {len(told)} registration tokens:\n{''.join(told)}"
                case ["token", verb, *_] if verb not in ("issue", "revoke", "list"):
                    raise Refusal(f"error: unrecognized subcommand '{verb}'")
            raise Refusal(f"error: unrecognized subcommand '{' '.join(words[1:2])}'")
        except Refusal as refusal:
            return f"{refusal}{_HELP}"

    def _issue(self, flags: Sequence[str]) -> str:
        token = "".join(secrets.choice(_ALPHABET) for _ in range(16))
        live = self._read(flags)
        self.tokens[token] = live
        if self._kind == "tuwunel":
            return f"New registration token issued: `{token}` - {self._told(token)}"
        space = "" if self._is_old else " "
        reply = f"New registration token issued: `{token}`{space}. {self._expiry(live)}."
        if self._link is not None:
            reply += f"\nInvite link using this token: {self._link}{token}"
        return reply

    def _read(self, flags: Sequence[str]) -> Live:
        live, given, rest = Live(), [], list(flags)
        while rest:
            flag = rest.pop(0)
            if flag in given:
                raise Refusal(f"error: the argument '{flag}' cannot be used multiple times")
            if flag == "--once":
                live.uses = 1
            elif flag == "--immortal" and self._kind == "continuwuity":
                pass
            elif flag in ("--max-uses", "--max-age"):
                if not rest:
                    raise Refusal(f"error: a value is required for '{flag}' but none was supplied")
                value = rest.pop(0)
                if flag == "--max-uses":
                    live.uses = int(value)
                else:
                    live.seconds = int(value[:-1]) * _SECONDS[value[-1]]
            else:
                raise Refusal(f"error: unexpected argument '{flag}' found")
            given.append(flag)
        if self._kind == "continuwuity" and len(given) != 1:
            if given:
                raise Refusal(f"error: the argument '{given[0]}' cannot be used with '{given[1]}'")
            raise Refusal("error: the following required arguments were not provided:")
        return live

    def _revoke(self, token: str) -> str:
        if self.tokens.pop(token, None) is not None:
            return "Token revoked successfully."
        missing = "This token does not exist or has already expired."
        if self._kind == "tuwunel":
            missing = "M_NOT_FOUND: Registration token not found"
        return f"Command failed with error:\n```\n{missing}\n```"

    def _told(self, token: str) -> str:
        live = self.tokens[token]
        used = f"used {live.used} times. {self._expiry(live)}."
        if self._kind == "tuwunel":
            return f"Token {used}"
        return f"Token created by @porter:porter.localhost and {used}"

    def _expiry(self, live: Live) -> str:
        ends = [] if live.uses is None else [f"after {live.uses} uses"]
        if live.seconds is not None:
            ends.append(f"in {live.seconds // 86400} days (2026-12-01 00:00:00)")
        return f"Expires {' or '.join(ends)}" if ends else "Never expires"
