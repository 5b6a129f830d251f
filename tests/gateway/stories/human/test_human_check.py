"""The human check: what lets a request through, once, and what becomes of the others."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import altcha
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.homeserver.homeserver import NameAvailability
from gateway.rules.bans import Kind
from gateway.rules.evidence import Evidence
from gateway.store.keyring import Keyring
from gateway.stories.human import challenge, form_token
from gateway.stories.human.proof import TooFast
from gateway.stories.registration import NotRecorded, Verdict
from tests.gateway.conftest import HandClock, House, OpenHouse

ANN = ip_address("203.0.113.7")


@pytest.fixture
def clock() -> HandClock:
    """Starts at the machine's own time: altcha looks at that one too."""
    clock = HandClock()
    clock.now = datetime.now(UTC)
    return clock


@pytest.fixture(autouse=True)
def _quick_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.rules.effort._LEAST", 8)


@pytest.fixture
async def light(open_house: OpenHouse) -> House:
    return await open_house(registration={"human_check": "light"})


@pytest.fixture
async def strict(open_house: OpenHouse) -> House:
    limits = {"network": None}
    return await open_house(registration={"human_check": "strict", "limits": limits})


def solve(asked: dict[str, Any]) -> str:
    """As altcha's own solver does it."""
    question = altcha.Challenge.from_dict(asked)
    found = altcha.solve_challenge(question)
    assert found is not None
    return altcha.Payload(question, found).to_base64()


async def work(house: House) -> Evidence:
    return Evidence(work=solve(await house.human_check.challenge(ANN)))


async def told(house: House, evidence: Evidence, name: str = "ann", **more: str) -> list[str]:
    verdict = await house.hear(name, f"{name}@example.net", evidence=evidence, **more)
    return [each.code.value for each in verdict.refusals]


async def proofs(house: House) -> list[str | None]:
    return [row.proof for row in await house.rows()]


async def test_a_solved_challenge_lets_one_request_through(strict: House) -> None:
    assert await told(strict, await work(strict)) == []
    assert await strict.statuses() == ["pending"]
    assert await proofs(strict) == ["work"]
    assert await strict.owed() == 1


@pytest.mark.parametrize("mode", ["light", "strict"])
async def test_a_bare_request_is_refused_and_told_what_would_be_right(
    open_house: OpenHouse, mode: str
) -> None:
    house = await open_house(registration={"human_check": mode})
    (refusal,) = (await house.hear()).refusals
    assert refusal.code == "not_proven"
    assert "in the field altcha" in refusal.hint
    assert ("form_token" in refusal.hint) is (mode == "light")
    assert await house.statuses() == ["refused"]
    assert house.names.asked == []  # nobody without a proof makes us ask the homeserver
    assert await house.owed() == 0


async def test_who_proves_nothing_still_counts_against_his_network(open_house: OpenHouse) -> None:
    limits = {"network": "2 per 1h"}
    house = await open_house(registration={"human_check": "light", "limits": limits})
    assert await told(house, Evidence()) == ["not_proven"]
    assert await told(house, Evidence()) == ["not_proven"]
    assert "too_many_from_network" in await told(house, await work(house))


async def test_of_fifty_with_one_solution_one_passes_in_two_processes(
    open_house: OpenHouse,
) -> None:
    changes = {"human_check": "strict", "limits": {"network": None, "all": None}}
    houses = [await open_house(registration=changes) for _ in range(2)]
    evidence = await work(houses[0])
    answers = await asyncio.gather(*(told(houses[n % 2], evidence, f"name{n}") for n in range(50)))
    assert sorted(answers) == [[], *[["proof_used"]] * 49]
    assert await houses[0].owed() == 1


async def test_a_request_that_could_not_be_written_down_uses_nothing_up(
    strict: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = await work(strict)
    with monkeypatch.context() as broken:

        def fail(*_: object, **__: object) -> int:
            raise OSError("no space left on device")

        broken.setattr("gateway.stories.registration.registrations.add", fail)
        with pytest.raises(NotRecorded):
            await strict.hear(evidence=evidence)
    assert await told(strict, evidence) == []


async def test_a_refused_request_uses_its_proof_up(strict: House) -> None:
    evidence = await work(strict)
    strict.names.answers["ann"] = NameAvailability.TAKEN
    assert await told(strict, evidence) == ["name_taken"]
    assert await told(strict, evidence, "bob") == ["proof_used"]


async def test_a_challenge_lives_ten_minutes(strict: House, clock: HandClock) -> None:
    first, second = await work(strict), await work(strict)
    clock.turn(minutes=9, seconds=58)
    assert await told(strict, first) == []
    clock.turn(seconds=3)
    assert await told(strict, second, "bob") == ["proof_expired"]


async def test_a_clock_that_is_set_back_gives_no_challenge_a_longer_life(
    strict: House, clock: HandClock
) -> None:
    evidence = await work(strict)
    clock.turn(days=-1)
    assert await told(strict, evidence) == ["proof_expired"]


async def test_a_challenge_outlives_a_fresh_key_but_not_one_that_replaces_all(
    strict: House, clock: HandClock
) -> None:
    keyring = Keyring(strict.settings.state / "keys")
    first, second = await work(strict), await work(strict)
    keyring.rotate(clock())
    assert await told(strict, first) == []
    keyring.rotate(clock(), drop_old=True)
    assert await told(strict, second, "bob") == ["not_proven"]


async def test_no_solution_but_the_right_one_counts(strict: House) -> None:
    asked = await strict.human_check.challenge(ANN)
    solved = json.loads(base64.b64decode(solve(asked)))

    def sent(**changes: Any) -> Evidence:
        whole = json.loads(json.dumps(solved))
        for path, value in changes.items():
            *way, last = path.split("__")
            place = whole
            for step in way:
                place = place[step]
            place[last] = value
        return Evidence(work=base64.b64encode(json.dumps(whole).encode()).decode())

    for changes in (
        {"solution__derivedKey": "0" * 64},
        {"solution__derivedKey": asked["parameters"]["keyPrefix"] + "0" * 32},
        {"challenge__parameters__keySignature": None},
        {"challenge__parameters__nonce": "0" * 32},
        {"challenge__parameters__expiresAt": 9_999_999_999},
        {"challenge__parameters__expiresAt": None},
        {"challenge__parameters__cost": 1},
        {"challenge__signature": "0" * 64},
        {"challenge__signature": None},
    ):
        assert await told(strict, sent(**changes)) == ["not_proven"], changes
    # Whatever else is written beside it, it is the same solution.
    assert await told(strict, sent(challenge__parameters__more="x", solution__counter=7)) == []
    assert await told(strict, sent(solution__counter=8)) == ["proof_used"]


@given(
    st.text(max_size=80)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["challenge", "solution", "parameters", "signature", "expiresAt", "nonce"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ).map(lambda data: base64.b64encode(json.dumps(data).encode()).decode())
)
def test_whatever_is_sent_is_no_solution(text: str) -> None:
    seals = [challenge.Seal("a", "b")]
    with pytest.raises(ValueError):
        challenge.read(text, seals, datetime.now(UTC))


async def test_without_script_the_page_counts_after_a_moment(
    light: House, clock: HandClock
) -> None:
    token = light.human_check.form_token()
    clock.turn(seconds=0.5)
    assert await told(light, Evidence(token=token)) == ["too_fast"]
    clock.turn(seconds=2)
    assert await told(light, Evidence(token=token)) == []
    assert await proofs(light) == [None, "form"]
    assert await told(light, Evidence(token=token), "bob") == ["proof_used"]


async def test_a_page_counts_for_a_day(light: House, clock: HandClock) -> None:
    first, second = light.human_check.form_token(), light.human_check.form_token()
    clock.turn(hours=23, minutes=59)
    assert await told(light, Evidence(token=first)) == []
    clock.turn(minutes=2)
    assert await told(light, Evidence(token=second), "bob") == ["proof_expired"]


async def test_a_page_from_the_future_counts_for_nothing(light: House, clock: HandClock) -> None:
    token = light.human_check.form_token()
    clock.turn(hours=-1)
    assert await told(light, Evidence(token=token)) == ["too_fast"]


async def test_a_page_saves_a_request_whose_solution_is_old_or_used(
    light: House, clock: HandClock
) -> None:
    solved, token = await work(light), light.human_check.form_token()
    clock.turn(minutes=11)
    assert await told(light, Evidence(work=solved.work, token=token)) == []
    assert await proofs(light) == ["form"]


async def test_a_solution_leaves_the_page_unused(light: House, clock: HandClock) -> None:
    token = light.human_check.form_token()
    solved = await work(light)
    clock.turn(seconds=3)
    assert await told(light, Evidence(work=solved.work, token=token)) == []
    assert await told(light, Evidence(work=solved.work, token=token), "bob") == []
    assert await proofs(light) == ["work", "form"]


async def test_the_strict_desk_gives_and_takes_no_page(
    strict: House, light: House, clock: HandClock
) -> None:
    assert strict.human_check.form_token() == ""
    token = light.human_check.form_token()
    clock.turn(seconds=3)
    assert await told(strict, Evidence(token=token)) == ["not_proven"]


@given(st.text(max_size=120))
def test_whatever_is_sent_is_no_token(keyring: Keyring, text: str) -> None:
    with pytest.raises(ValueError):
        form_token.read(text, keyring, datetime.now(UTC))


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    keyring = Keyring(tmp_path_factory.mktemp("state") / "keys")
    keyring.open(datetime.now(UTC))
    return keyring


def test_a_token_for_another_purpose_is_none_for_a_form(keyring: Keyring) -> None:
    now = datetime.now(UTC)
    token = form_token.make(keyring, now)
    text = token.rpartition(".")[0]
    with pytest.raises(TooFast):
        form_token.read(token, keyring, now)
    with pytest.raises(ValueError, match="no token of ours"):
        form_token.read(f"{text}.{keyring.sign('link', text)}", keyring, now + timedelta(hours=1))


async def test_a_network_sends_few_requests_without_a_proof_of_work(
    light: House, clock: HandClock
) -> None:
    async def by_page(name: str, ip: str = "203.0.113.7") -> Verdict:
        token = light.human_check.form_token()
        clock.turn(minutes=10)
        return await light.hear(name, f"{name}@example.net", ip, Evidence(token=token))

    for name in ("ann", "bob", "cat"):
        assert (await by_page(name)).refusals == ()
    (refusal,) = (await by_page("dan", "203.0.113.99")).refusals
    assert (refusal.code, refusal.retry_after) == ("too_many_unproven", timedelta(minutes=30))
    assert (await by_page("eve", "198.51.100.7")).refusals == ()
    assert await told(light, await work(light), "fay") == []  # a proof of work still counts
    clock.turn(minutes=9)
    (refusal,) = (await by_page("gus")).refusals  # what was refused prolongs nothing
    assert refusal.retry_after == timedelta(minutes=1)
    clock.turn(minutes=-9)
    assert (await by_page("gus")).refusals == ()
    assert await proofs(light) == ["form", "form", "form", None, "form", "work", None, "form"]


async def test_a_robot_that_takes_the_bait_hears_nothing_of_it(strict: House) -> None:
    solved = await work(strict)
    verdict = await strict.hear(evidence=Evidence(work=solved.work, bait="https://spam.example"))
    assert (verdict.refusals, verdict.is_looked_at) == ((), False)
    (row,) = await strict.rows()
    assert [each["code"] for each in row.refusals] == ["bait_taken"]
    assert await strict.owed() == 0
    # Neither the name nor the address is lost to the person whom the robot named.
    assert await told(strict, await work(strict), ip="198.51.100.7") == []
    assert await strict.statuses() == ["refused", "pending"]


async def test_the_bait_opens_no_way_around_the_check(strict: House) -> None:
    assert await told(strict, Evidence(bait="x")) == ["not_proven"]


async def test_a_robot_hears_of_the_review_too_and_the_room_does_not(
    open_house: OpenHouse,
) -> None:
    house = await open_house(registration={"human_check": "strict"}, review={"all": True})
    solved = await work(house)
    verdict = await house.hear(evidence=Evidence(work=solved.work, bait="x"))
    assert (verdict.refusals, verdict.is_looked_at) == ((), True)
    assert await house.statuses() == ["refused"]
    assert await house.owed() == 0
    assert not [cause for cause in await house.alerts() if cause.startswith("review")]


async def test_baits_that_are_taken_are_a_burst(open_house: OpenHouse) -> None:
    house = await open_house(registration={"human_check": "strict"}, alerts={"burst": "3 per 10m"})
    for _ in range(3):
        solved = await work(house)
        await house.hear(evidence=Evidence(work=solved.work, bait="x"))
    assert "burst network 203.0.113.0/24" in await house.alerts()


async def test_a_challenge_gets_harder_where_many_were_refused(
    strict: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def make(most_tries: int, *_: object) -> dict[str, object]:
        asked.append(most_tries)
        return {}

    monkeypatch.setattr("gateway.stories.human.challenge.make", make)
    await strict.ban(Kind.EMAIL, "@spam.example")
    for number in range(4):
        await strict.hear("ann", f"a{number}@spam.example", "203.0.113.200")
    await strict.human_check.challenge(ANN)
    await strict.human_check.challenge(ip_address("198.51.100.7"))
    assert asked == [32, 8]
