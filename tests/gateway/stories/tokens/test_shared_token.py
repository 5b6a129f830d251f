"""The shared token after a restart: another one in the configuration, another homeserver."""

import pytest

from gateway.homeserver.file_server import FileServer
from gateway.homeserver.homeserver import HomeserverError, TokenState, Unable
from gateway.homeserver.static import StaticServer
from gateway.homeserver.token_file import TokenFile
from gateway.store import alerts, tokens
from gateway.store.audit import Author
from tests.gateway.conftest import House, StrictTokens, ToldNames, text_of

MOD = Author("@mod:example.org", "$event")
SHARED = {"mode": "shared", "rotation": "0 0 * * *"}


async def current(house: House) -> str | None:
    token = await house.database.read(tokens.current_shared)
    return None if token is None else token.value


@pytest.fixture
def static_house(open_house):
    """Opens a house before a homeserver with this fixed token, as a restart does."""

    async def open_it(value: str) -> House:
        house = await open_house(
            source=StaticServer(value, ToldNames()),
            homeserver={"kind": "static", "static_token": value, "admin_token": None},
            tokens={"mode": "shared"},
        )
        await house.rotation.look()
        return house

    return open_it


async def test_a_fixed_token_is_mailed_from_the_first_look_on(static_house, post):
    house = await static_house("fixedtokenone2")
    await house.apply()
    await house.deliver()
    assert "fixedtokenone2" in text_of(post.mails[0])
    assert "token changed" not in await house.alerts()
    for _ in range(3):
        house.clock.turn(days=30)
        await house.rotation.look()
    assert await current(house) == "fixedtokenone2"


async def test_a_fixed_token_that_the_operator_changed_is_mailed_and_the_old_one_is_over(
    static_house, post
):
    await static_house("fixedtokenone2")
    house = await static_house("fixedtokentwo3")
    await house.apply()
    await house.deliver()
    assert "fixedtokentwo3" in text_of(post.mails[0])
    raised = await house.alerts()
    assert "fixed token has changed" in raised["token changed"][1]
    assert "tokens stuck" not in raised
    left = await house.database.read(tokens.shared_left)
    assert [each.value for each in left] == ["fixedtokentwo3"]
    again = await static_house("fixedtokenone2")  # and back, which it was once before
    assert await current(again) == "fixedtokenone2"
    assert (await again.rotation.token_for(1)).value == "fixedtokenone2"
    house.clock.turn(days=1)
    await again.rotation.look()


async def test_a_process_that_has_not_looked_yet_mails_no_old_fixed_token(static_house, open_house):
    await static_house("fixedtokenone2")
    house = await open_house(
        source=StaticServer("fixedtokentwo3", ToldNames()),
        homeserver={"kind": "static", "static_token": "fixedtokentwo3", "admin_token": None},
        tokens={"mode": "shared"},
    )
    with pytest.raises(HomeserverError, match="not in force yet"):
        await house.rotation.token_for(1)


async def test_with_a_fixed_token_nothing_is_half_rotated_given_away_or_revoked(static_house):
    house = await static_house("fixedtokenone2")
    with pytest.raises(Unable, match=r"change it there and in homeserver\.static_token") as said:
        await house.rotation.rotate(MOD)
    assert "fixedtokenone2" not in str(said.value)
    with pytest.raises(ValueError, match="has one for everybody"):
        await house.rotation.given.issue(MOD, 1, house.settings.tokens.valid_for)
    with pytest.raises(ValueError, match="only the homeserver's operator ends it"):
        await house.rotation.given.revoke(MOD, tokens.current_shared)
    assert [each[1] for each in await house.audited()] == ["rotate"]  # the first one
    assert await house.database.read(lambda c: tokens.living(c, house.clock())) == (
        await house.database.read(tokens.shared_left)
    )
    await house.rotation.look()
    assert (await house.rotation.token_for(1)).value == "fixedtokenone2"


class Forgetful(StrictTokens):
    """A homeserver that tells which tokens it has."""

    async def state(self, value: str) -> TokenState:
        await super().state(value)
        return TokenState(is_gone=value not in self.in_force)


@pytest.mark.parametrize("overlap", ["0s", "2h"])
async def test_a_shared_token_that_another_homeserver_never_had_is_replaced(open_house, overlap):
    settings = SHARED | {"overlap": overlap}
    before = await open_house(source=Forgetful(), tokens=settings)
    await before.rotation.look()
    old = await current(before)
    house = await open_house(source=Forgetful(), tokens=settings)
    house.source.is_down = True  # it comes up after us
    await house.rotation.look()
    assert await current(house) == old
    house.source.is_down = False
    await house.rotation.look()
    new = await current(house)
    assert new != old and list(house.source.in_force) == [new]
    assert "has the shared token no more" in (await house.alerts())["token lost"][1]
    assert (await house.rotation.token_for(1)).value == new
    await house.rotation.look()
    assert await current(house) == new


async def test_a_token_that_the_operator_took_out_of_the_file_is_replaced_at_the_next_start(
    open_house, tmp_path
):
    path = tmp_path / "tokens" / "registration_tokens"
    path.parent.mkdir()
    names = ToldNames()

    async def start() -> House:
        source = FileServer(TokenFile(path), names, "conduwuit")
        house = await open_house(source=source, tokens=SHARED)
        await house.rotation.look()
        return house

    old = await current(await start())
    assert await current(await start()) == old
    path.write_text("somethingelse\n")
    house = await start()
    assert path.read_text().split() == [await current(house), "somethingelse"]
    assert await current(house) != old


class Stubborn(StrictTokens):
    """A homeserver that never ends one of its tokens: it stands in its own configuration."""

    def __init__(self) -> None:
        super().__init__()
        self.stays = ""

    def _drop(self, value: str) -> None:
        if value == self.stays:
            raise Unable("it stands in the homeserver's own configuration")
        super()._drop(value)


@pytest.mark.parametrize("overlap", ["0s", "2h"])
async def test_a_shared_token_that_never_ends_keeps_no_new_one_from_its_place(open_house, overlap):
    source = Stubborn()
    house = await open_house(source=source, tokens=SHARED | {"overlap": overlap})
    await house.rotation.look()
    source.stays = old = await current(house)
    house.clock.turn(days=1)
    await house.rotation.look()
    new = await current(house)
    assert new != old and new in source.in_force
    house.clock.turn(hours=3)
    for _ in range(3):
        await house.rotation.look()
    raised = await house.database.read(lambda c: alerts.pending(c, house.clock(), 100))
    (text,) = [each.text for each in raised if each.cause != "rotation"]
    assert "Token 1 is over and still opens accounts: `it stands in" in text and old not in text
    assert await house.database.read(lambda c: tokens.due(c, house.clock())) == []
