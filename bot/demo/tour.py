"""The guided tour: what applicants and moderators do, over the network, checked step by step."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import aiohttp

from bot.demo.applicant import Applicant, Page, token_in
from bot.demo.mail_catcher import CaughtMail, MailCatcher

Say = Callable[[str], None]

_CAROL_MAIL = "carol@example.net"
_CLOSED_NETWORK = "198.51.100"


class TourError(Exception):
    """A step did not end as it should; says which, and what came instead."""


class Moderator(Protocol):
    """Somebody in the moderators' room."""

    async def ask(self, text: str) -> str: ...

    async def notice(self, wanted: Callable[[str], bool]) -> str: ...

    async def react(self, wanted: Callable[[str], bool], key: str) -> None: ...


class Tour:
    """Walks through the desk's work. `say` prints."""

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        desk_url: str,
        homeserver_url: str,
        catcher: MailCatcher,
        moderator: Moderator,
        say: Say,
    ) -> None:
        self._session = session
        self._desk_url = desk_url
        self._homeserver_url = homeserver_url
        self._catcher = catcher
        self._moderator = moderator
        self._say = say
        self._ann_token = ""

    async def walk(self) -> int:
        """Take every step; returns how many there were. Raises TourError when one fails."""
        steps: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = (
            ("An applicant asks for an account", self._asks),
            ("The mail's token opens a real account", self._opens),
            ("The same address asks again, and sees nothing new", self._asks_again),
            ("A moderator bans an e-mail domain", self._bans_address),
            ("A moderator bans a network", self._bans_network),
            ("A moderator bans a name pattern", self._bans_name),
            ("A doubtful request waits for a moderator's look", self._reviews),
            ("A ban that would hit too much asks first, and another is taken back", self._undoes),
            ("The moderators look registrations up", self._looks_up),
            ("After a leak every unused token is replaced", self._rotates),
            ("A burst of refused requests raises an alert", self._floods),
        )
        for number, (title, step) in enumerate(steps, 1):
            self._say(f"\n{number}. {title}")
            try:
                await step()
            except TourError as error:
                raise TourError(f"step {number} ({title}): {error}") from None
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                reason = str(error) or type(error).__name__
                raise TourError(f"step {number} ({title}): {reason}") from error
        return len(steps)

    async def _asks(self) -> None:
        ann = self._applicant("203.0.113.10")
        page = await ann.look()
        self._expect("GET /", page, 200)
        if 'name="requested_username"' not in page.html:
            raise TourError("the page has no form")
        self._expect("POST /register ann", await ann.ask("ann", "ann@example.org"), 200)
        mail = await self._mail("ann@example.org")
        self._ann_token = token_in(mail.text)

    async def _opens(self) -> None:
        ann = self._applicant("203.0.113.10")
        await self._opens_account(ann, "ann", self._ann_token, works=True)
        await self._opens_account(ann, "ann-the-second", self._ann_token, works=False)

    async def _asks_again(self) -> None:
        somebody = self._applicant("203.0.113.99")
        before = len(self._catcher.messages)
        first = await somebody.ask("first", "first@example.org")
        self._expect("POST /register, an unknown address", first, 200)
        await self._mail("first@example.org")
        again = await somebody.ask("other", "first@example.org")
        self._expect("POST /register, the same address again", again, 200)
        if again != first:
            raise TourError("the page tells that the address was known")
        # The next applicant's mail comes, so one that was owed before it would have come too.
        await self._applicant("203.0.113.98").ask("second", "second@example.org")
        await self._mail("second@example.org")
        if len(self._catcher.messages) != before + 2:
            raise TourError("a second mail went to the known address")
        self._say("   the same page, and no second mail")

    async def _bans_address(self) -> None:
        await self._command("ban email @spam.example --for 7d --reason 'throw-away addresses'")
        page = await self._applicant("203.0.113.30").ask("dora", "dora@mail.spam.example")
        self._expect("POST /register with dora@mail.spam.example", page, 403)

    async def _bans_network(self) -> None:
        await self._command(f"ban ip {_CLOSED_NETWORK}.0/24 --for 1d --reason 'open proxies'")
        page = await self._applicant(f"{_CLOSED_NETWORK}.7").ask("emil", "emil@example.org")
        self._expect(f"POST /register from {_CLOSED_NETWORK}.7", page, 403)

    async def _bans_name(self) -> None:
        await self._command("ban name ^free.*money --reason 'advertising'")
        page = await self._applicant("203.0.113.31").ask("freebigmoney", "fred@example.org")
        self._expect("POST /register as freebigmoney", page, 403)

    async def _reviews(self) -> None:
        await self._command("ban email @hotel.example --review --reason 'shared mailboxes'")
        gina = self._applicant("203.0.113.32")
        self._expect("POST /register gina", await gina.ask("gina", "gina@hotel.example"), 200)
        mail = await self._mail("gina@hotel.example")  # that somebody will look
        post = await self._moderator.notice(lambda text: "gina" in text)
        self._say(f"   in the room: {post}\n   a moderator reacts with ✅")
        await self._moderator.react(lambda text: "gina" in text, "✅")
        token = token_in((await self._mail("gina@hotel.example", after=mail.number)).text)
        await self._opens_account(gina, "gina", token, works=True)
        decided = await self._moderator.notice(lambda text: "gina" in text and "pproved" in text)
        self._say(f"   in the room: {decided}")

    async def _undoes(self) -> None:
        answer = await self._command("ban ip 127.0.0.0/8")
        if "confirm" not in answer:
            raise TourError("it did not ask")
        self._say("   a moderator reacts with ❌")
        await self._moderator.react(lambda text: text == answer, "❌")
        await self._command("ban ip 192.0.2.0/24 --reason 'the wrong one'")
        await self._command("undo")
        page = await self._applicant("192.0.2.7").ask("hans", "hans@example.org")
        self._expect("POST /register from 192.0.2.7", page, 200)

    async def _looks_up(self) -> None:
        answer = await self._command("registrations --since 1h")
        for wanted in ("ann", "dora", "emil", "freebigmoney", "gina"):
            if wanted not in answer:
                raise TourError(f"{wanted} is missing")
        await self._command("registration 1")
        await self._command("log")

    async def _rotates(self) -> None:
        carol = self._applicant("203.0.113.40")
        self._expect("POST /register carol", await carol.ask("carol", _CAROL_MAIL), 200)
        mail = await self._mail(_CAROL_MAIL)
        leaked = token_in(mail.text)
        await self._command("token rotate")
        fresh = token_in((await self._mail(_CAROL_MAIL, after=mail.number)).text)
        await self._opens_account(carol, "carol", leaked, works=False)
        await self._opens_account(carol, "carol", fresh, works=True)

    async def _floods(self) -> None:
        for number in range(6):
            visitor = self._applicant(f"{_CLOSED_NETWORK}.{number + 20}")
            page = await visitor.ask(f"visitor{number}", f"visitor{number}@example.org")
            if page.status != 403:
                raise TourError(f"status {page.status} instead of 403: {page.headline}")
        self._say("   six requests from the banned network, each refused with 403")
        alert = await self._moderator.notice(
            lambda text: "Burst" in text and _CLOSED_NETWORK in text
        )
        self._say(f"   in the room: {alert}")

    def _applicant(self, ip: str) -> Applicant:
        return Applicant(self._session, self._desk_url, self._homeserver_url, ip)

    def _expect(self, what: str, page: Page, status: int) -> None:
        self._say(f"   {what} → {page.status}: {page.headline}")
        if page.status != status:
            raise TourError(f"{what} answered {page.status} instead of {status}")

    async def _mail(self, address: str, after: int = 0) -> CaughtMail:
        mail = await self._catcher.wait_for(address, after)
        self._say(
            f"   a mail for {address}: {mail.subject} ({self._catcher.url}/mails/{mail.number})"
        )
        return mail

    async def _command(self, text: str) -> str:
        self._say(f"   in the room: !porter {text}")
        answer = await self._moderator.ask(f"!porter {text}")
        for line in answer.splitlines():
            self._say(f"     | {line}")
        return answer

    async def _opens_account(
        self, applicant: Applicant, name: str, token: str, *, works: bool
    ) -> None:
        status, answer = await applicant.open_account(name, token)
        opened = status == 200 and "user_id" in answer
        said = answer.get("user_id") if opened else answer.get("errcode") or answer.get("error")
        self._say(f"   POST /_matrix/client/v3/register as {name} → {status}: {said or 'refused'}")
        if opened != works:
            expected = "opened an account" if works else "been refused"
            raise TourError(f"the token of {name} should have {expected}")
