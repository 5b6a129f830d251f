"""Who may command, in rooms of every age."""

import math
from typing import Any

import pytest

from bot.room.power import Rule, Standing

BOT, MOD, GUEST = "@porter:x.org", "@mod:x.org", "@guest:x.org"


def state(
    version: str, levels: dict[str, Any] | None = None, *members: str, **create: Any
) -> list[dict[str, Any]]:
    events = [
        {
            "type": "m.room.create",
            "state_key": "",
            "sender": "@maker:x.org",
            "content": {"room_version": version} | create,
        }
    ]
    if levels is not None:
        events.append({"type": "m.room.power_levels", "state_key": "", "content": levels})
    for user in members:
        content = {"membership": "join"}
        events.append({"type": "m.room.member", "state_key": user, "content": content})
    return events


@pytest.mark.parametrize(("version", "outranks"), [("10", False), ("11", False), ("12", True)])
def test_creators_outrank_everybody_from_version_12(version: str, outranks: bool) -> None:
    more = {"additional_creators": [MOD, 7], "creator": "@maker:x.org"}
    room = Standing.read(state(version, {"users": {GUEST: 60}}, MOD, GUEST, **more))
    assert (room.level("@maker:x.org") == math.inf) is outranks
    assert room.may_command(MOD, Rule(50)) is outranks
    assert room.may_command(GUEST, Rule(50)) and not room.may_command(GUEST, Rule(61))
    assert not room.may_command("@maker:x.org", Rule(50))  # not in the room


def test_a_room_without_levels_has_one_master() -> None:
    room = Standing.read(state("10", None, "@maker:x.org", GUEST, creator="@maker:x.org"))
    assert (room.level("@maker:x.org"), room.level(GUEST)) == (100, 0)


def test_strange_levels_count_as_their_default() -> None:
    levels = {"users": {MOD: "50", GUEST: None, BOT: True}, "users_default": "x"}
    room = Standing.read(state("9", levels))
    assert [room.level(user) for user in (MOD, GUEST, BOT)] == [50, 0, 0]
    assert Standing.read(state("9", {"users": [], "users_default": 3})).level(MOD) == 3


@pytest.mark.parametrize("membership", ["leave", "ban", "invite", "knock"])
def test_only_a_joined_member_may_command(membership: str) -> None:
    events = state("10", {"users": {MOD: 100}}, MOD)
    events[-1]["content"] = {"membership": membership}
    assert not Standing.read(events).may_command(MOD, Rule(50))


def test_a_well_kept_room_gives_no_warning() -> None:
    room = Standing.read(state("10", {"users": {MOD: 50}}, BOT, MOD))
    assert room.warnings(BOT, Rule(50)) == []


def test_every_weakness_is_named() -> None:
    levels = {"users": {"@far:y.org": 50}, "events_default": 10}
    events = state("10", levels, BOT, "@far:y.org")
    for kind, content in (
        ("m.room.join_rules", {"join_rule": "public"}),
        ("m.room.history_visibility", {"history_visibility": "world_readable"}),
    ):
        events.append({"type": kind, "state_key": "", "content": content})
    found = "\n".join(Standing.read(events).warnings(BOT, Rule(50)))
    assert "may not send m.room.message" in found
    assert "anybody may join" in found and "anybody may read" in found
    assert "y.org" in found
    nobody = Standing.read(state("10", {"events": {"m.reaction": 1}}, BOT)).warnings(BOT, Rule(50))
    assert "may not react" in nobody[0] and "nobody in the room has power 50" in nobody[1]
    assert "is not in the room" in Standing.read(state("10", {})).warnings(BOT, Rule(50))[0]


def test_members_of_other_servers_command_only_where_that_is_wanted() -> None:
    far = "@mod:y.org"
    room = Standing.read(state("12", {"users": {far: 100, MOD: 50}}, BOT, MOD, far))
    assert room.may_command(far, Rule(50)) and not room.may_command(far, Rule(50, "x.org"))
    assert room.may_command(MOD, Rule(50, "x.org"))
    (wide,) = room.warnings(BOT, Rule(50))
    assert "members of other servers may command (y.org)" in wide
    (narrow,) = room.warnings(BOT, Rule(50, "x.org"))
    assert "members of other servers read along (y.org)" in narrow


def test_creators_of_other_servers_are_no_exception() -> None:
    far = "@maker:y.org"
    events = state("12", {}, BOT, far)
    events[0]["sender"] = far
    room = Standing.read(events)
    assert room.level(far) == math.inf and not room.may_command(far, Rule(50, "x.org"))


def test_a_room_knows_what_it_replaces_and_what_replaces_it() -> None:
    room = Standing.read(
        [
            *state("11", {}, predecessor={"room_id": "!old:x.org"}),
            {
                "type": "m.room.tombstone",
                "state_key": "",
                "content": {"replacement_room": "!new:x.org"},
            },
        ]
    )
    assert (room.predecessor, room.successor) == ("!old:x.org", "!new:x.org")
    odd = Standing.read(state("11", {}, predecessor="!old:x.org"))
    assert (odd.predecessor, odd.successor) == (None, None)
