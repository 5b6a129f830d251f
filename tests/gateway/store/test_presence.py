import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from gateway.store.presence import present


class Bell:
    """Rung by whoever finds himself alone."""

    def __init__(self) -> None:
        self.rung: list[str] = []

    def of(self, name: str) -> Callable[[], Awaitable[None]]:
        async def ring() -> None:
            self.rung.append(name)
            await asyncio.sleep(0.02)

        return ring


async def test_only_who_comes_first_is_alone(tmp_path: Path) -> None:
    lock, bell = tmp_path / "lock", Bell()
    async with present(lock, bell.of("first")):
        async with present(lock, bell.of("second")):
            assert bell.rung == ["first"]
        async with present(lock, bell.of("third")):
            assert bell.rung == ["first"]
    async with present(lock, bell.of("next morning")):
        assert bell.rung == ["first", "next morning"]


async def test_nobody_enters_while_the_first_one_clears_up(tmp_path: Path) -> None:
    lock, bell, entered = tmp_path / "lock", Bell(), list[str]()

    async def clear_up() -> None:
        await asyncio.sleep(0.1)
        assert entered == []

    async def enter(name: str, when_alone: Callable[[], Awaitable[None]]) -> None:
        await stack.enter_async_context(present(lock, when_alone))
        entered.append(name)

    async with AsyncExitStack() as stack:
        first = asyncio.create_task(enter("first", clear_up))
        await asyncio.sleep(0)
        others = [asyncio.create_task(enter(f"{n}", bell.of(f"{n}"))) for n in range(4)]
        await asyncio.gather(first, *others)
    assert sorted(entered) == ["0", "1", "2", "3", "first"]


async def test_a_failure_leaves_no_lock(tmp_path: Path) -> None:
    lock, bell = tmp_path / "lock", Bell()
    for _ in range(2):
        try:
            async with present(lock, bell.of("one")):
                raise RuntimeError
        except RuntimeError:
            pass
    assert bell.rung == ["one", "one"]
