"""The plug pulled on a desk under load, again and again, and what is there after it."""

import asyncio
import random
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from statistics import median

from tests.journeys.conftest import ROOT, House, Porter, Post, token_of, until
from tests.torture.crowd import BANNED, Crowd
from tests.torture.editors import Editors

_APPLICANTS = 8
_PATIENCE = 180.0  # seconds that any one thing may take, on a machine with other work beside
# When the plug is pulled: while it starts, at any time, and where it hurts most, right after an
# answer was given or a mail was taken.
MOMENTS = ("start", "any", "answer", "answer", "mail", "mail", "mail")


class Torture:
    """One desk with a token file of its applicants' own tokens, and the crowd before it."""

    def __init__(self, house: House, post: Post, seed: int) -> None:
        self._house, self._post = house, post
        self._rng = random.Random(seed)
        self.crowd = Crowd(house, seed + 1)
        self.editors = Editors(house, seed + 2)
        self.moments: Counter[str] = Counter()
        self.starts: list[float] = []  # seconds from the start of a process to its page
        self.pid = 0  # of the last gateway
        self.waited: set[int] = set()  # mails that rested before the first of them came
        self.resting: set[str] = set()  # whose mail came, and may come again in an hour

    async def run(self, moments: Sequence[str], *, commands: bool = True) -> dict[str, object]:
        """Kill at each of `moments`, let it finish, and look; the figures.

        With `commands` bans come from the terminal too. What a killed one began is ended within two
        minutes, which this waits for.
        """
        bans = self._house.folder / "bans"
        bans.mkdir()
        (bans / "usernames.txt").write_text(f"^{BANNED}\n")
        (bans / "emails.txt").write_text("# ours\n")
        reader = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.torture.reader", self._house.folder / "token" / "file"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            await self._kill(moments, commands)
            await self._finish()
        finally:
            said, _ = await reader.communicate(b"")
        reads, broken = map(int, said.split())
        assert reads and not broken, "the token file was not whole"
        self._assert_mails()
        self._assert_rows()
        self.editors.assert_all_is_kept()
        return self._figures(reads)

    async def _kill(self, moments: Sequence[str], commands: bool) -> None:
        work = [self.crowd.ask_on() for _ in range(_APPLICANTS)]
        work += [self.editors.write_on()]
        if commands:
            work.append(self.editors.command_on())
        tasks = [asyncio.create_task(each) for each in work]
        try:
            for moment in moments:
                gateway = await self._house.start("gateway")
                await self._pull(gateway, moment)
                self.moments[moment] += 1
                await gateway.kill()
                fallen = [each for each in tasks if each.done()]
                assert not fallen, fallen
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for porter in self._house.processes:
                await porter.kill()

    async def _pull(self, gateway: Porter, moment: str) -> None:
        """Kill the process at such a moment, or let it be killed."""
        if moment == "start":
            await asyncio.sleep(self._rng.uniform(0, 1))
            return
        began = time.monotonic()
        await gateway.until_said("page_served", _PATIENCE)
        self.starts.append(time.monotonic() - began)
        if moment == "any":
            await asyncio.sleep(self._rng.uniform(0, 1))
            return
        countdown, wait = self._rng.randrange(1, 8), self._rng.choice((0, 0.001, 0.003, 0.01))
        pulled = asyncio.Event()

        def pull() -> None:
            gateway.strike()
            pulled.set()

        def count() -> None:
            nonlocal countdown
            countdown -= 1
            if countdown == 0:
                asyncio.get_running_loop().call_later(wait, pull) if wait else pull()

        if moment == "answer":
            self.crowd.answered = lambda status: count() if status == 200 else None
        else:
            # A mail that was taken once already may come a second time now, but not a third time.
            self._post.taken = lambda mail: count() if self._is_first(mail["To"]) else None
        try:
            async with asyncio.timeout(_PATIENCE):
                await pulled.wait()
        finally:
            self.crowd.answered = lambda status: None
            self._post.taken = lambda mail: None

    def _is_first(self, address: str) -> bool:
        return len(self._post.to(address)) == 1

    async def _finish(self) -> None:
        """Let the desk do what it owes. What may have come twice rests for an hour: the hour is
        over only for whom nothing came."""
        gateway = await self._house.serve()
        self.pid = gateway.pid
        await until(lambda: not self._owed("unsure < 2"), _PATIENCE)
        mailed = {str(mail["To"]) for mail in self._post.mails}
        resting = self._owed("unsure > 1")
        self.waited = {number for number, email in resting if email not in mailed}
        with closing(sqlite3.connect(self._house.database, timeout=10)) as connection, connection:
            hurry = "UPDATE mails SET due_at = created_at WHERE id = ?"
            connection.executemany(hurry, [(number,) for number in self.waited])
        left = len(resting) - len(self.waited)
        await until(lambda: len(self._owed("unsure > 1")) == left, _PATIENCE)
        self.resting = {email for _, email in self._owed("unsure > 1")}
        await until(lambda: not self._house.rows("SELECT 1 FROM intents"), _PATIENCE)
        assert await gateway.stop() == 0

    def _owed(self, which: str) -> list[tuple[int, str]]:
        query = (
            "SELECT mails.id, email FROM mails JOIN registrations"
            f" ON registrations.id = registration_id WHERE mails.status = 'queued' AND {which}"
        )
        return self._house.rows(query)

    def _assert_mails(self) -> None:
        mails = Counter(str(mail["To"]) for mail in self._post.mails)
        assert self.crowd.promised <= mails.keys(), "a mail was lost"
        assert max(mails.values()) <= 2
        ids = {(mail["To"], mail["Message-ID"], token_of(mail)) for mail in self._post.mails}
        assert len(ids) == len(mails), "a mail came twice as two"
        assert mails.keys() <= self.crowd.promised | self.crowd.unsure, "a refused one got a mail"
        working = {*self._house.tokens_in_file}
        assert {token for *_, token in ids} <= working, "a token was mailed that does not work"

    def _assert_rows(self) -> None:
        rows = self._house.rows
        recorded = {email for (email,) in rows("SELECT email FROM registrations")}
        mailed = {str(mail["To"]) for mail in self._post.mails}
        assert mailed <= recorded <= self.crowd.heard.keys()
        good = {email for (email,) in rows("SELECT email FROM registrations WHERE status='mailed'")}
        assert good | self.resting == mailed
        assert rows("PRAGMA integrity_check") == [("ok",)]
        assert not rows("PRAGMA foreign_key_check")
        assert not rows("SELECT 1 FROM mails WHERE leased_until IS NOT NULL")
        assert not rows("SELECT 1 FROM mails WHERE status <> 'sent' AND unsure < 2")
        held = rows("SELECT job, holder FROM leases")
        assert all(holder.startswith(f"{self.pid}-") for _, holder in held), f"stuck: {held}"
        own = rows("SELECT registration_id FROM tokens WHERE registration_id IS NOT NULL")
        assert len(own) == len({*own}), "somebody has two tokens"

    def _figures(self, reads: int) -> dict[str, object]:
        mailed = {str(mail["To"]) for mail in self._post.mails}
        moments = ", ".join(f"{kind} {count}" for kind, count in sorted(self.moments.items()))
        editors, starts = self.editors, sorted(self.starts)
        return {
            "kills of the gateway": f"{self.moments.total()} ({moments})",
            "kills of a command": editors.kills,
            "requests": self.crowd.asked,
            "promised": len(self.crowd.promised),
            "answers lost": len(self.crowd.unsure),
            "mails": len(self._post.mails),
            "of them a second time": len(self._post.mails) - len(mailed),
            "resting for an hour: with, without one": f"{len(self.resting)}, {len(self.waited)}",
            "promises lost": len(self.crowd.promised - mailed),
            "readings of the token file, all whole": reads,
            "bans by hand, by command": f"{len(editors.by_hand)}, {len(editors.banned)}",
            "seconds of a start": f"{median(starts):.1f}, at most {starts[-1]:.1f}",
        }
