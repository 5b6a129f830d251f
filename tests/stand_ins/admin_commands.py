"""The commands of an admin room, word by word as conduwuit, continuwuity and tuwunel answer them.

Pure: a line in, a reply out, and `tokens` and `people` tell what came of it. From their sources:
src/admin/token, src/admin/user, src/admin/processor.rs and src/service/registration_tokens; the
refusals are those of clap 4.
"""

import secrets
import string
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.stand_ins.person import Person

_HELP = "\n\nFor more information, try '--help'.\n"
_ALPHABET = string.ascii_letters + string.digits
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass
class Live:
    """A token in force. `uses` are all that it has, `seconds` its whole life; none: no end."""

    uses: int | None = None
    seconds: int | None = None
    used: int = 0
    made_at: float = field(default_factory=time.monotonic)

    def is_valid(self) -> bool:
        is_spent = self.uses is not None and self.used >= self.uses
        return not is_spent and (
            self.seconds is None or time.monotonic() <= self.made_at + self.seconds
        )


class Refusal(Exception):
    """What clap says of a line that it cannot read."""


class Failure(Exception):
    """What a command says that failed."""


class AdminCommands:
    """Reads commands. `kind` is conduwuit, continuwuity or tuwunel; `link` begins each invite link.

    `people` are the accounts, by their localpart.
    """

    def __init__(
        self,
        kind: str = "continuwuity",
        *,
        is_old: bool = False,
        link: str | None = None,
        people: dict[str, Person] | None = None,
        server_name: str = "porter.localhost",
    ) -> None:
        self.tokens: dict[str, Live] = {}
        self.configured: set[str] = set()  # of its configuration or token file
        self.people = {} if people is None else people
        self._server_name = server_name
        self._kind = kind
        self._is_old = is_old  # continuwuity from 0.5.2 until 0.5.11
        self._link = link

    def answer(self, line: str) -> str:
        """The reply to a line that begins with `!admin`."""
        try:
            return self._carry_out(line.split()[1:])
        except Refusal as refusal:
            return f"{refusal}{_HELP}"
        except Failure as failure:
            return f"Command failed with error:\n```\n{failure}\n```"

    def count(self, token: str, used: int) -> None:
        """A token opened so many accounts; one that is used up is gone."""
        live = self.tokens[token]
        live.used = used
        if live.uses is not None and used >= live.uses:
            del self.tokens[token]

    def use(self, token: str) -> bool:
        """A sign-up with a token; whether it may go on."""
        live = self.tokens.get(token)
        if live is None or not live.is_valid():
            return False
        live.used += 1
        return True

    def in_force(self) -> set[str]:
        """The tokens that would open an account now."""
        return {token for token, live in self.tokens.items() if live.is_valid()}

    def _carry_out(self, words: Sequence[str]) -> str:
        match words:
            case ["users", verb, *rest]:
                return self._upon(verb, rest)
            case ["token", *_] if self._kind == "conduwuit":
                raise Refusal("error: unrecognized subcommand 'token'")
            case ["token", "issue", *flags]:
                return self._issue(flags)
            case ["token", "revoke", token]:
                return self._revoke(token)
            case ["token", "list"]:
                told = [f"- `{each}` --- {self._told(each)}\n" for each in self.in_force()]
                return f"Found {len(told)} registration tokens:\n{''.join(told)}"
            case ["token", verb, *_] if verb not in ("issue", "revoke", "list"):
                raise Refusal(f"error: unrecognized subcommand '{verb}'")
        raise Refusal(f"error: unrecognized subcommand '{' '.join(words[:1])}'")

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
        if token in self.configured:
            what = "The token set in the config file cannot be revoked."
            if self._kind == "continuwuity":
                what = "Tokens set in the registration token file cannot be revoked."
            raise Failure(what)
        if token in self.in_force():
            del self.tokens[token]
            return "Token revoked successfully."
        if self._kind == "tuwunel":
            raise Failure("M_NOT_FOUND: Registration token not found")
        raise Failure("This token does not exist or has already expired.")

    def _told(self, token: str) -> str:
        live = self.tokens[token]
        used = f"used {live.used} times. {self._expiry(live)}."
        if self._kind == "tuwunel":
            return f"Token {used}"
        return f"Token created by @porter:{self._server_name} and {used}"

    def _expiry(self, live: Live) -> str:
        ends = [] if live.uses is None else [f"after {live.uses} uses"]
        if live.seconds is not None:
            ends.append(f"in {live.seconds // 86400} days (2026-12-01 00:00:00)")
        return f"Expires {' or '.join(ends)}" if ends else "Never expires"

    def _upon(self, verb: str, rest: Sequence[str]) -> str:
        """Deactivate, suspend and so on; the others are made of one flag."""
        can_more = self._kind == "continuwuity"
        if verb != "deactivate" and not (
            can_more and verb in ("suspend", "unsuspend", "lock", "unlock")
        ):
            raise Refusal(f"error: unrecognized subcommand '{verb}'")
        if len(rest) != 1:
            raise Refusal("error: the following required arguments were not provided:\n  <USER_ID>")
        name, _, server = rest[0].lower().removeprefix("@").partition(":")
        user = f"@{name}:{server or self._server_name}"
        if server not in ("", self._server_name):
            raise Failure(f'User "{user}" does not belong to our server.')
        if verb == "deactivate":
            # Whoever is not there is made by it, and is deactivated.
            self.people.setdefault(name, Person()).password = None
            return f"User {user} has been deactivated"
        person = self.people.get(name)
        if person is None:
            raise Failure(f'User "{user}" does not exist on this server.')
        if person.password is None:
            raise Failure(f'User "{user}" is deactivated.')
        if person.is_admin and verb in ("suspend", "lock"):
            raise Failure(f"Admin users cannot be {verb}ed.")
        if "suspend" in verb:
            person.is_suspended = verb == "suspend"
        else:
            person.is_locked = verb == "lock"
        return f"User {user} has been {verb}ed."
