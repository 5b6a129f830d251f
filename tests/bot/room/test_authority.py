"""Who may not command costs the homeserver nothing; who may is looked up each time."""

from types import SimpleNamespace
from typing import Any

from bot.room.authority import Authority
from bot.room.power import Rule

MOD, GUEST = "@mod:x.org", "@guest:x.org"


class Homeserver:
    """Stands for a session: answers the room's state, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.users = {MOD: 50}
        self.client = SimpleNamespace(room_get_state=None)

    async def ask(self, question: Any, room_id: str) -> Any:
        self.asked += 1
        joined = {"membership": "join"}
        return SimpleNamespace(
            events=[
                {
                    "type": "m.room.power_levels",
                    "state_key": "",
                    "content": {"users": dict(self.users)},
                },
                *(
                    {"type": "m.room.member", "state_key": user, "content": joined}
                    for user in (MOD, GUEST)
                ),
            ]
        )


async def test_a_flood_of_refusals_asks_once() -> None:
    server: Any = Homeserver()
    authority = Authority(server, "!room", Rule(50))
    for _ in range(100):
        assert not await authority.may_command(GUEST)
        assert not await authority.may_command("@stranger:x.org")
        assert await authority.has_joined(GUEST)
    assert server.asked == 1


async def test_a_yes_is_looked_up_each_time() -> None:
    server: Any = Homeserver()
    authority = Authority(server, "!room", Rule(50))
    assert await authority.may_command(MOD)
    server.users = {}  # before the bot was told
    assert not await authority.may_command(MOD)
    assert server.asked == 2


async def test_a_change_of_the_room_ends_a_refusal() -> None:
    server: Any = Homeserver()
    authority = Authority(server, "!room", Rule(50))
    assert not await authority.may_command(GUEST)
    server.users = {GUEST: 50}
    assert not await authority.may_command(GUEST)
    authority.forget()
    assert await authority.may_command(GUEST)
