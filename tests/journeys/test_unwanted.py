"""Somebody else asked with his address: from the mail he got to the token that opens nothing."""

import re
from collections.abc import Callable

import aiohttp

from bot.demo.applicant import Applicant
from bot.demo.synapse import Synapse
from tests.journeys.conftest import OpenHouse, Post, text_of, token_of, until


async def test_whoever_did_not_ask_is_left_alone(
    open_house: OpenHouse,
    synapse: Synapse,
    post: Post,
    session: aiohttp.ClientSession,
    someone: Callable[[], str],
) -> None:
    house = await open_house(web={"public_url": "https://desk.example.org"})
    porter = await house.serve("gateway")
    victims = [f"{someone()}@example.net" for _ in range(2)]
    names = [someone() for _ in victims]
    mails = []
    for name, email in zip(names, victims, strict=True):
        await house.ask(name, email)
        mails.append(await post.mail_to(email))
    paths = [re.findall(r"https://desk\.example\.org(/unwanted/\S+)", text_of(m)) for m in mails]
    ((by_hand,), (by_program,)) = paths

    # A scanner looks into the mail first.
    assert (await house.look(by_hand)).status == 200
    async with session.head(house.url + by_hand) as answer:
        assert answer.status == 200
    assert house.statuses(victims[0]) == ["mailed"]

    # He presses the button himself; the other one's provider does it, by the headers.
    head = {"Sec-Fetch-Site": "same-origin", "Origin": "https://desk.example.org"}
    async with session.post(house.url + by_hand, headers=head) as answer:
        assert answer.status == 200 and "no more mail" in await answer.text()
    assert mails[1]["List-Unsubscribe"] == f"<https://desk.example.org{by_program}>"
    body = str(mails[1]["List-Unsubscribe-Post"])
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with session.post(house.url + by_program, data=body, headers=form) as answer:
        assert answer.status == 200
    assert [house.statuses(each) for each in victims] == [["rejected"], ["rejected"]]

    # Nobody opens an account with what stands in the mails.
    gone = "SELECT 1 FROM tokens WHERE withdrawn_at IS NULL"
    await until(lambda: not house.rows(gone))
    applicant = Applicant(session, house.url, synapse.url, "203.0.113.1")
    for name, mail in zip(names, mails, strict=True):
        status, _ = await applicant.open_account(name, token_of(mail))
        assert status == 401

    # Another request sees the usual page, and somebody else's mail is the next that goes out.
    answer = await house.ask(someone(), victims[0], html=True)
    assert answer.status == 200 and "Check your inbox" in answer.text
    other = f"{someone()}@example.net"
    await house.ask(someone(), other)
    await post.mail_to(other)
    await house.until_nothing_is_owed()
    assert [len(post.to(each)) for each in victims] == [1, 1]
    assert not any(path.rpartition(".")[2] in porter.said for path in (by_hand, by_program))
    told = house.rows("SELECT text FROM alerts WHERE cause LIKE 'unwanted %' ORDER BY id")
    assert len(told) == 2 and "11.0.1.0/24" in told[0][0]
