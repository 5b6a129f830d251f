"""Who may do what in a room, read from the room's state as the homeserver holds it.

Room versions differ: from version 12 on the creators outrank everybody and do not stand in the
power levels; before, a room without power levels gives its creator 100. A value that the
specification does not allow counts as its default.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_PRIVILEGED_CREATORS_SINCE = 12
_SAME_BEFORE_ITS_NUMBER = {"org.matrix.hydra.11"}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _server(user: str) -> str:
    return user.partition(":")[2]


def _level(value: object, default: float) -> float:
    """A power level; old room versions also allow it as a string."""
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            return default
    return value if isinstance(value, int) and not isinstance(value, bool) else default


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may command: members with at least `power`, and of one server alone if it is named."""

    power: int
    server: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """One room's rules at one moment."""

    creators: frozenset[str] = frozenset()
    outranking: bool = False  # whether the creators stand above all power levels
    levels: Mapping[str, Any] | None = None  # content of m.room.power_levels
    memberships: Mapping[str, str] = field(default_factory=dict)
    join_rule: str = "invite"
    world_readable: bool = False
    encrypted: bool = False
    predecessor: str | None = None  # the room that this one replaces
    successor: str | None = None  # the room that replaces this one

    @classmethod
    def read(cls, events: Iterable[Mapping[str, Any]]) -> "Standing":
        """Read the room's state events, as /rooms/{id}/state answers them."""
        state = {}
        memberships = {}
        for event in events:
            kind, key, content = event.get("type"), event.get("state_key"), event.get("content")
            if kind == "m.room.member" and isinstance(key, str):
                memberships[key] = str(_mapping(content).get("membership"))
            elif key == "":
                state[kind] = event
        create = state.get("m.room.create", {})
        made = _mapping(create.get("content"))
        version = str(made.get("room_version", "1"))
        outranking = version in _SAME_BEFORE_ITS_NUMBER or (
            version.isdecimal() and int(version) >= _PRIVILEGED_CREATORS_SINCE
        )
        creators = {create.get("sender"), made.get("creator")}
        if outranking:
            more = made.get("additional_creators")
            creators = {create.get("sender"), *(more if isinstance(more, list) else ())}
        levels = state.get("m.room.power_levels")

        def said(kind: str, name: str, default: object) -> object:
            return _mapping(state.get(kind, {}).get("content")).get(name, default)

        before = _mapping(made.get("predecessor")).get("room_id")
        after = said("m.room.tombstone", "replacement_room", None)
        return cls(
            creators=frozenset(each for each in creators if isinstance(each, str)),
            outranking=outranking,
            levels=None if levels is None else _mapping(levels.get("content")),
            memberships=memberships,
            join_rule=str(said("m.room.join_rules", "join_rule", "invite")),
            world_readable=said("m.room.history_visibility", "history_visibility", "")
            == "world_readable",
            encrypted="m.room.encryption" in state,
            predecessor=before if isinstance(before, str) else None,
            successor=after if isinstance(after, str) and after else None,
        )

    def has_joined(self, user: str) -> bool:
        return self.memberships.get(user) == "join"

    def level(self, user: str) -> float:
        """The user's power level; infinite for a creator who outranks everybody."""
        if user in self.creators and self.outranking:
            return math.inf
        if self.levels is None:
            return 100 if user in self.creators else 0
        default = _level(self.levels.get("users_default"), 0)
        return _level(_mapping(self.levels.get("users")).get(user), default)

    def may_command(self, user: str, rule: Rule) -> bool:
        """Whether `user` is in the room, and has the power that the rule wants."""
        return (
            self.has_joined(user)
            and rule.server in (None, _server(user))
            and self.level(user) >= rule.power
        )

    def may_send(self, user: str, kind: str) -> bool:
        """Whether `user` may send messages of type `kind`."""
        levels = self.levels or {}
        needed = _level(levels.get("events_default"), 0)
        return self.level(user) >= _level(_mapping(levels.get("events")).get(kind), needed)

    def warnings(self, bot: str, rule: Rule) -> list[str]:
        """What an operator should know about this room, one sentence each."""
        home = _server(bot)
        kind = "m.room.encrypted" if self.encrypted else "m.room.message"
        commanders = [user for user in self.memberships if self.may_command(user, rule)]
        strangers = sorted({_server(user) for user in commanders} - {home})
        guests = {_server(user) for user in self.memberships if self.has_joined(user)} - {home}
        found = []
        if not self.has_joined(bot):
            found.append(f"bot.room: {bot} is not in the room; invite it.")
        elif not self.may_send(bot, kind):
            found.append(f"bot.room: {bot} may not send {kind} there; raise its power level.")
        elif not self.may_send(bot, "m.reaction"):
            found.append(f"bot.room: {bot} may not react there; raise its power level.")
        if not [user for user in commanders if user != bot]:
            found.append(
                f"bot.power: nobody in the room has power {rule.power}, so nobody can command;"
                " raise a moderator's power level, or lower bot.power."
            )
        if self.join_rule == "public":
            found.append("bot.room: anybody may join this room; make it invite-only.")
        if self.world_readable:
            found.append("bot.room: anybody may read this room; change its history visibility.")
        if strangers:
            found.append(
                f"bot.room: members of other servers may command ({', '.join(strangers)});"
                " make sure that this is wanted."
            )
        elif guests:
            found.append(
                f"bot.room: members of other servers read along ({', '.join(sorted(guests))});"
                " make sure that this is wanted."
            )
        return found
