"""One mail: it arrives once, whatever fails on the way, and giving up is said aloud."""

import asyncio
import sqlite3
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from gateway.homeserver.homeserver import NameAvailability
from gateway.mail.delivery import DeliveryError
from gateway.rules.tokens import new_token
from gateway.store import alerts, outbox, registrations, tokens
from gateway.store.audit import Author
from gateway.store.registrations import Request, Status
from tests.gateway.conftest import House, MailServer, OpenHouse, text_of, until

MOD = Author("@mod:example.org", "$event")


async def apply_many(house: House, count: int) -> None:
    for n in range(count):
        assert await house.apply(f"n{n}x", f"n{n}@example.net", f"203.0.{n}.1") == ()


async def all_sent(house: House) -> bool:
    return await house.owed() == 0


async def run_until(house: House, condition: Any) -> None:
    """Let the courier run until `condition` holds, then end it."""
    running = asyncio.create_task(house.courier.run())
    try:
        await until(condition)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_one_mail_arrives_with_the_applicants_token(house, post):
    await house.apply("ann", "ann@example.net")
    await run_until(house, lambda: all_sent(house))
    (mail,) = post.mails
    (value,) = house.source.in_force
    assert (mail["To"], mail["From"]) == ("ann@example.net", "desk@example.org")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@example.org>")
    html = mail.get_body(("html",))
    assert html is not None
    for part in (text_of(mail), html.get_content()):
        assert value in part and "ann" in part and "example.org" in part
        assert "2026-12-01 12:00 UTC" in part
    assert value not in mail["Subject"] + mail["Message-ID"]
    (row,) = await house.rows()
    assert (row.status, row.mailed_at) == (Status.MAILED, house.clock.now)
    assert (await house.mails())[0].sent_at == house.clock.now


async def test_the_bell_wakes_an_idle_courier(house, post, monkeypatch):
    monkeypatch.setattr("gateway.stories.courier._GLANCE", 60)
    running = asyncio.create_task(house.courier.run())
    for count in range(1, 4):
        await asyncio.sleep(0.05)
        await house.apply(f"n{count}x", f"n{count}@example.net")
        await until(lambda count=count: _arrived(post, count))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _arrived(post: MailServer, count: int) -> bool:
    return len(post.mails) == count


async def test_a_transient_failure_is_tried_again_with_the_same_token_and_id(house, post):
    post.answers.extend(["451 busy", "421 closing", "250 OK"])
    await house.apply()
    ids, first_pause = set(), None
    for _ in range(3):
        (mail,) = await house.courier.claim(10)
        ids.add(mail.message_id)
        await house.courier.deliver(mail)
        (attempt,) = await house.mails()
        if attempt.status == "queued":
            assert await house.courier.claim(10) == []
            pause = attempt.due_at - house.clock.now
            assert first_pause is None or pause > first_pause
            first_pause = pause
            house.clock.now = attempt.due_at
    assert len(ids) == 1 and len(house.source.wishes) == 1
    assert len(post.mails) == 1 and await house.statuses() == ["mailed"]
    assert (await house.mails())[0].attempts == 3
    assert await house.alerts() == {}


async def test_mails_that_keep_failing_are_told_once(house, post):
    post.answers.extend(["451 busy"] * 8)
    await apply_many(house, 2)
    for _ in range(4):
        await house.deliver()
        house.clock.turn(minutes=10)
    count, text = (await house.alerts())["mails failing"]
    assert count == 4 and "451 busy" in text


async def test_a_permanent_failure_is_told_and_can_be_sent_again(house, post):
    post.answers.append("550 no such mailbox")
    await house.apply()
    await house.deliver()
    assert await house.statuses() == ["failed"]
    count, text = (await house.alerts())["mail 1"]
    assert count == 1 and "550 no such mailbox" in text
    (alert,) = await house.database.read(alerts.lasting)
    assert alert.actions[0] == ("🔁", "resend 1")
    house.clock.turn(hours=2)
    await house.deliver()
    assert post.mails == []
    await house.resending.resend(1, MOD)
    assert await house.statuses() == ["pending"]
    await house.deliver()
    assert len(post.mails) == 1 and await house.statuses() == ["mailed"]
    assert len(house.source.wishes) == 1
    assert (await house.alerts())["mail 1"][1] == "The mail for registration 1 went out after all"


async def test_many_mails_that_are_given_up_are_few_messages(house, post):
    post.answers.extend(["550 no such mailbox"] * 20)
    await apply_many(house, 20)
    await house.deliver()
    assert await house.statuses() == ["failed"] * 20
    counts = {cause: count for cause, (count, _) in (await house.alerts()).items()}
    assert len(counts) == 4 and counts["mail elsewhere"] == 17


async def test_a_repetition_that_fails_takes_nothing_from_the_first_mail(house, post):
    await house.apply()
    await house.deliver()
    await house.resending.resend(1, MOD)
    post.answers.append("552 mailbox full")
    await house.deliver()
    assert await house.statuses() == ["mailed"]  # his first mail has the same token
    assert "552 mailbox full" in (await house.alerts())["mail 1"][1]


async def test_a_fresh_mail_that_fails_after_a_leak_is_a_failure(house, post):
    await house.apply()
    await house.deliver()
    await house.rotation.rotate(MOD)
    post.answers.append("550 gone")
    await house.deliver()
    assert await house.statuses() == ["failed"]


async def test_it_gives_up_after_the_configured_age(open_house, post):
    house = await open_house(smtp={"give_up_after": "1d"})
    post.answers.extend(["451 busy"] * 99)
    await house.apply()
    house.clock.turn(hours=24)
    await house.deliver()
    assert await house.statuses() == ["pending"]
    house.clock.turn(hours=1)
    await house.deliver()
    assert await house.statuses() == ["failed"]
    assert "given up" in (await house.alerts())["mail 1"][1]


async def test_a_mail_that_may_have_arrived_each_time_is_not_sent_for_ever(
    house, post, monkeypatch
):
    async def cut_off(message: Any) -> None:
        arrived.append(message["Message-ID"])
        raise DeliveryError("cut off", permanent=False, unsure=True)

    arrived: list[str] = []
    monkeypatch.setattr(house.mailer, "send", cut_off)
    await house.apply()
    for _ in range(6):
        await house.deliver()
        house.clock.turn(hours=2)
    assert len(arrived) == 3 and len({*arrived}) == 1
    assert await house.statuses() == ["failed"]
    assert "it may have arrived 3 times: cut off" in (await house.alerts())["mail 1"][1]


async def test_smtp_goes_down_and_comes_back(house, post):
    await post.stop()
    await apply_many(house, 3)
    await house.deliver()
    assert await house.owed() == 3
    assert "cannot be used" in str((await house.mails())[0].last_error)
    await post.start()
    house.clock.turn(minutes=1)
    await run_until(house, lambda: all_sent(house))
    assert len(post.mails) == 3


async def test_slow_smtp_is_served_on_all_connections(house, post):
    post.pause = 0.2
    await apply_many(house, 8)
    await run_until(house, lambda: all_sent(house))
    assert len(post.mails) == 8 and post.most_at_once == 4


async def test_two_couriers_deliver_each_mail_once(house, open_house, post):
    other = await open_house(source=house.source)
    post.pause = 0.01
    await apply_many(house, 20)
    running = [asyncio.create_task(each.courier.run()) for each in (house, other)]
    await until(lambda: all_sent(house))
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert sorted(mail["To"] for mail in post.mails) == sorted(
        f"n{n}@example.net" for n in range(20)
    )


async def test_a_process_that_died_gives_its_mails_back_when_the_lease_is_over(
    house, open_house, post
):
    await apply_many(house, 3)
    assert len(await house.courier.claim(10)) == 3  # and then it died
    other = await open_house(source=house.source)
    await other.deliver()
    assert post.mails == []
    house.clock.now += outbox.LEASE
    await other.deliver()
    assert len(post.mails) == 3


async def test_what_another_process_leased_a_moment_later_is_not_taken_from_it(
    house, open_house, post
):
    """Of two that claim at once, the second waits for the first with an older time in hand."""
    await apply_many(house, 3)
    other = await open_house(source=house.source)
    house.clock.turn(seconds=10)
    assert len(await house.courier.claim(10)) == 3
    house.clock.turn(seconds=-10)
    assert await other.courier.claim(10) == []


async def test_a_clock_set_back_does_not_jam_the_outbox(house, post):
    post.answers.append("451 busy")
    await apply_many(house, 2)
    claimed = await house.courier.claim(1)
    await house.courier.deliver(claimed[0])  # due in half a minute
    assert len(await house.courier.claim(1)) == 1  # leased for five
    house.clock.turn(days=-30)
    await house.deliver()
    assert len(post.mails) == 2


async def test_a_ban_that_came_while_the_mail_waited_holds(house, post):
    await apply_many(house, 3)
    await house.apply("spammer", "s@bad.example", "192.0.2.7")
    await house.ban("email", "n0@example.net")
    await house.ban("ip", "203.0.1.0/24")
    await house.ban("name", "^spam")
    await house.deliver()
    assert [mail["To"] for mail in post.mails] == ["n2@example.net"]
    assert await house.statuses() == ["rejected", "rejected", "mailed", "rejected"]
    assert ("porter", "reject", "registration 1") in await house.audited()
    count, text = (await house.alerts())["rejected"]
    assert count == 3 and text == "Registration 4 was rejected before its mail: `^spam`"
    assert len(house.source.wishes) == 1
    house.clock.turn(hours=2)
    await house.deliver()
    assert len(post.mails) == 1


async def test_a_ban_between_two_mails_takes_the_token_back(house, post):
    await house.apply()
    await house.deliver()
    await house.ban("email", "ann@example.net")
    await house.resending.resend(1, MOD)
    await house.deliver()
    assert await house.statuses() == ["rejected"]
    await house.rotation.look()
    assert house.source.in_force == {} and len(post.mails) == 1


async def test_a_name_that_was_taken_meanwhile_gets_a_mail_that_says_so(house, post):
    house.names.usual = NameAvailability.UNKNOWN
    await house.apply()
    house.names.usual = NameAvailability.TAKEN
    await house.deliver()
    assert await house.statuses() == ["rejected"]
    (mail,) = post.mails
    assert "this name is taken" in text_of(mail)
    assert house.source.wishes == {}
    _, text = (await house.alerts())["rejected"]
    assert "the name ann is taken" in text
    await house.deliver()
    assert len(post.mails) == 1 and await house.owed() == 0


async def test_word_of_a_taken_name_is_tried_again_too(house, post):
    house.names.usual = NameAvailability.UNKNOWN
    await house.apply()
    house.names.usual = NameAvailability.TAKEN
    post.answers.append("451 later")
    await house.deliver()
    assert await house.statuses() == ["pending"] and await house.owed() == 1
    house.clock.turn(minutes=5)
    await house.deliver()
    assert await house.statuses() == ["rejected"] and await house.owed() == 0


async def test_a_name_once_known_to_be_free_is_not_asked_for_again(house):
    await house.apply()
    await house.deliver()
    assert house.names.asked == ["ann"]


async def test_a_homeserver_that_never_says_is_asked_three_times(house, post):
    house.names.usual = NameAvailability.UNKNOWN
    await house.apply()
    for attempt in range(4):
        assert (post.mails == []) and len(house.names.asked) == 1 + attempt
        await house.deliver()
        house.clock.turn(minutes=10)
    assert len(post.mails) == 1 and len(house.names.asked) == 4


async def test_a_mail_waits_while_the_homeserver_gives_no_token(house, post):
    await house.apply()
    house.source.is_down = True
    await house.deliver()
    assert (await house.mails())[0].last_error == "the homeserver is away"
    house.source.is_down = False
    house.clock.turn(minutes=1)
    await house.deliver()
    assert len(post.mails) == 1


@pytest.mark.parametrize("mode", ["per_applicant", "shared"])
async def test_a_token_withdrawn_on_the_way_is_followed_by_one_that_works(open_house, post, mode):
    house = await open_house(tokens={"mode": mode})
    await house.rotation.look()
    post.pause = 0.1
    await house.apply()
    running = asyncio.create_task(house.courier.run())
    await post.arrived.wait()
    done = await house.rotation.rotate(MOD)
    assert (done.outstanding, done.mailed) == (1, 0)
    await until(lambda: _arrived(post, 2))
    await until(lambda: all_sent(house))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    (value,) = house.source.in_force
    assert [value in text_of(mail) for mail in post.mails] == [False, True]
    assert post.mails[0]["Message-ID"] != post.mails[1]["Message-ID"]
    assert len(post.mails) == 2


async def test_a_mail_that_waited_past_a_rotation_carries_the_token_that_works(open_house, post):
    house = await open_house(tokens={"mode": "shared"})
    await house.rotation.look()
    post.answers.append("451 later")
    await house.apply()
    await house.deliver()
    house.clock.turn(days=1)
    await house.rotation.look()
    await house.deliver()
    (value,) = house.source.in_force
    assert value in text_of(post.mails[0])


def tasks_of_ours() -> set[str]:
    return {
        task.get_coro().__qualname__  # type: ignore[union-attr]
        for task in asyncio.all_tasks()
        if task.get_coro().__qualname__.startswith(("Courier", "Event.wait"))  # type: ignore[union-attr]
    }


async def test_at_the_end_mails_under_way_are_finished(house, open_house, post):
    post.pause = 0.15
    await apply_many(house, 6)
    running = asyncio.create_task(house.courier.run())
    await post.arrived.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(post.mails) == 4 and await house.owed() == 2
    await asyncio.sleep(0)
    assert tasks_of_ours() == set()
    post.pause = 0
    other = await open_house(source=house.source)
    await other.deliver()
    assert sorted(mail["To"] for mail in post.mails) == [f"n{n}@example.net" for n in range(6)]


async def test_at_the_end_a_mail_that_does_not_finish_is_given_back(
    house, open_house, post, monkeypatch
):
    monkeypatch.setattr("gateway.stories.courier._FAREWELL", 0.05)
    post.pause = 3
    await house.apply()
    running = asyncio.create_task(house.courier.run())
    await post.arrived.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert tasks_of_ours() == set()
    post.pause = 0
    other = await open_house(source=house.source)
    await other.deliver()  # at once: nobody waits for a lease
    assert len(post.mails) == 1
    assert (await house.mails())[0].attempts == 1


async def test_a_sent_mail_is_written_down_however_often_it_takes(house, post, monkeypatch):
    monkeypatch.setattr("gateway.stories.outcomes._PATIENCE", (0.01, 0.01, 0.01))
    await house.apply()
    (mail,) = await house.courier.claim(1)
    real, failures = house.database.write, 0

    async def write(work: Any) -> Any:
        nonlocal failures
        if post.mails and failures < 3:
            failures += 1
            raise OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked"))
        return await real(work)

    monkeypatch.setattr(house.database, "write", write)
    await house.courier.deliver(mail)
    assert failures == 3
    house.clock.turn(hours=1)
    await house.deliver()
    assert len(post.mails) == 1 and await house.statuses() == ["mailed"]


async def test_a_locked_database_ends_no_courier(open_house, post, monkeypatch):
    monkeypatch.setattr("gateway.store.database._BUSY", 0.1)
    monkeypatch.setattr("gateway.stories.courier._GLANCE", 0.02)
    house = await open_house()
    await house.apply()
    other = sqlite3.connect(house.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    running = asyncio.create_task(house.courier.run())
    await asyncio.sleep(0.3)
    assert not running.done()
    other.execute("ROLLBACK")
    other.close()
    await until(lambda: all_sent(house))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(post.mails) == 1


POISON = [
    ("email", "no address"),
    ("email", "a@x.org, b@y.org"),
    ("email", "a@x.org\r\nBcc: eve@example.net"),
    ("email", ""),
    ("ip", "not an address"),
    ("refusals", "{broken"),
    ("status", "nonsense"),
    ("created_at", "yesterday"),
    ("language", "../../etc"),
]


@pytest.mark.parametrize(("column", "value"), POISON)
async def test_a_poisoned_row_stops_no_other(house, post, column, value):
    await apply_many(house, 3)
    await house.database.write(
        lambda c: c.exec_driver_sql(f"UPDATE registrations SET {column} = ? WHERE id = 1", (value,))
    )
    await run_until(house, lambda: all_sent(house))
    poisoned = [] if column == "language" else ["n0@example.net"]
    missing = {f"n{n}@example.net" for n in range(3)} - {mail["To"] for mail in post.mails}
    assert sorted(missing) == poisoned
    assert list(await house.alerts()) == ["mail 1"] * len(poisoned)


async def test_an_unexpected_fault_is_tried_again_and_stops_no_other(house, post, monkeypatch):
    await apply_many(house, 2)
    real = house.rotation.token_for

    async def token_for(number: int) -> Any:
        if number == 1:
            raise RuntimeError("hush: the token is x")
        return await real(number)

    monkeypatch.setattr(house.rotation, "token_for", token_for)
    await house.deliver()
    assert len(post.mails) == 1
    (attempt,) = await house.mails(1)
    assert (attempt.status, attempt.last_error) == ("queued", "unexpected RuntimeError")


async def test_a_mail_of_a_registration_that_is_over_is_forgotten(house, post):
    await apply_many(house, 2)
    await house.database.write(lambda c: registrations.become(c, 1, Status.REJECTED))
    await house.database.write(lambda c: registrations.registered(c, 2, house.clock.now))
    await house.deliver()
    assert post.mails == [] and await house.owed() == 0
    assert await house.statuses() == ["rejected", "registered"]


async def test_a_registration_rejected_on_the_way_stays_rejected(house, post):
    post.pause = 0.1
    await house.apply()
    (mail,) = await house.courier.claim(1)
    delivery = asyncio.create_task(house.courier.deliver(mail))
    await post.arrived.wait()

    def reject(connection: Any) -> None:
        outbox.cancel(connection, 1)
        registrations.become(connection, 1, Status.REJECTED)
        own = tokens.of(connection, 1)
        assert own is not None
        tokens.withdraw(connection, own.id, house.clock.now)

    await house.database.write(reject)
    await delivery
    assert await house.statuses() == ["rejected"]
    await house.deliver()
    assert len(post.mails) == 1 and await house.owed() == 0


async def test_a_hundred_mails_leave_through_few_connections(open_house: OpenHouse, post):
    house = await open_house(registration={"limits": {"network": None}})
    now = house.clock.now

    def owe(connection: Any) -> None:
        for n in range(100):
            request = Request(f"n{n}x", f"n{n}@example.net", f"n{n}", "192.0.2.1", "x", "en")
            number = registrations.add(
                connection,
                request,
                Status.PENDING,
                now,
                held_until=now + timedelta(days=1),
                name_checked=True,
            )
            outbox.owe(connection, number, "example.org", now)

    await house.database.write(owe)
    await run_until(house, lambda: all_sent(house))
    assert len({mail["To"] for mail in post.mails}) == len(post.mails) == 100
    assert len(house.source.in_force) == 100 and len(post.lines) <= 4
    assert len(new_token()) == len(next(iter(house.source.in_force)))
