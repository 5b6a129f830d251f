"""The operator changes the configuration while applicants come and go."""

import asyncio
from collections.abc import Callable

import aiohttp

from bot.demo.ports import free_port
from tests.journeys.conftest import House, OpenHouse, Porter, Post, merge, until


class Visitors:
    """Some who ask for the page without a pause, each on a connection that he keeps."""

    def __init__(self, house: House, count: int) -> None:
        self.answers: list[int] = []
        self.lost: list[str] = []
        self.connections = 0
        self._house = house
        self._visits = [asyncio.create_task(self._visit()) for _ in range(count)]

    async def _visit(self) -> None:
        async def count(*_: object) -> None:
            self.connections += 1

        trace = aiohttp.TraceConfig()
        trace.on_connection_create_start.append(count)
        async with aiohttp.ClientSession(trace_configs=[trace]) as session:
            while True:
                name = f"v{id(session):x}{len(self.answers)}"
                form = {"requested_username": name, "email": f"{name}@example.net"}
                head = {"X-Forwarded-For": self._house.address()}
                try:
                    async with session.post(
                        f"{self._house.url}/register", data=form, headers=head
                    ) as answer:
                        await answer.read()
                        self.answers.append(answer.status)
                except aiohttp.ClientError as error:
                    self.lost.append(repr(error))
                await asyncio.sleep(0.03)

    async def leave(self) -> None:
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)


async def reloads(porter: Porter, count: int) -> None:
    await until(lambda: len(porter.saw("reloaded")) >= count)


async def test_a_reload_loses_nobody_and_a_broken_file_changes_nothing(
    open_file_house: OpenHouse, post: Post, someone: Callable[[], str]
) -> None:
    house = await open_file_house()
    porter = await house.serve("run")
    visitors = Visitors(house, 3)
    await until(lambda: len(visitors.answers) > 20)

    changes = {"smtp": {"from": "Another desk <other@porter.localhost>"}}
    porter.reload(merge(house.config, changes))
    await reloads(porter, 1)
    assert porter.saw("reloaded")[0]["changed"] == ["smtp.sender"]
    name = someone()
    assert (await house.ask(name, f"{name}@example.net")).status == 200
    assert (await post.mail_to(f"{name}@example.net"))["From"] == changes["smtp"]["from"]

    # Each is told with its reason, in the log and to the room, and the desk goes on as it was.
    secret = "not-to-be-told"
    house.secrets.add(secret)
    (house.folder / "templates").mkdir()
    (house.folder / "templates" / "token.txt").write_text("{{ nonsense }")
    right = merge(house.config, changes)
    for broken, reason in (
        (f"smtp: {{password: *{secret}", "line 1"),
        (f"smtp:\n\tpassword: {secret}", "line 2"),
        (merge(right, {"smtp": {"port": "many"}}), "smtp.port: must be a whole number"),
        (merge(right, {"smtp": {"ca_file": "none.pem"}}), "smtp.ca_file"),
        (merge(right, {"mail": {"templates": "templates"}}), "mail.templates"),
        (merge(right, {"web": {"logo": "none.png"}}), "web.logo"),
        (merge(right, {"state": "elsewhere"}), "state: another folder"),
        (merge(right, {"web": {"port": post.port}}), "web.port: cannot listen"),
    ):
        told = len(porter.saw("not_reloaded"))
        porter.reload(broken)
        await until(lambda told=told: len(porter.saw("not_reloaded")) > told)  # type: ignore[misc]
        assert reason in str(porter.saw("not_reloaded")[-1]["faults"])
        await until(
            lambda reason=reason: house.rows(  # type: ignore[misc]
                "SELECT 1 FROM alerts WHERE cause = 'config' AND ended_at IS NULL"
                " AND instr(text, ?)",
                reason,
            )
        )
    name = someone()
    assert (await house.ask(name, f"{name}@example.net")).status == 200
    assert (await post.mail_to(f"{name}@example.net"))["From"] == changes["smtp"]["from"]

    # A storm ends with what stood in the file last.
    seen = len(porter.saw("reloaded"))
    for number in range(50):
        porter.reload(merge(right, {"mail": {"subject": f"Number {number}"}}))
    await reloads(porter, seen + 1)
    name = someone()

    async def last_subject() -> bool:
        nonlocal name
        name = someone()
        assert (await house.ask(name, f"{name}@example.net")).status == 200
        return bool((await post.mail_to(f"{name}@example.net"))["Subject"] == "Number 49")

    async with asyncio.timeout(20):
        while not await last_subject():
            pass
    assert house.rows("SELECT ended_at IS NULL FROM alerts WHERE cause = 'config'") == [(0,)]
    assert ("smtp.sender",) in house.rows("SELECT after FROM audit WHERE action = 'reload'")

    await visitors.leave()
    assert visitors.lost == []
    assert set(visitors.answers) == {200}
    assert visitors.connections == 3
    port = free_port()
    porter.reload(merge(right, {"web": {"port": port}}))
    await until(lambda: "web.port" in str(porter.saw("reloaded")))
    assert (await house.look(url=f"http://127.0.0.1:{port}")).status == 200
    assert await porter.stop() == 0
    assert "Traceback" not in porter.said
