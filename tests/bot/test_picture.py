"""The picture is drawn by a process of its own, or not at all."""

import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from bot import chart, picture
from gateway.store.statistics import Period, Statistics

START = date(2026, 10, 26)


def found(periods: int, days: int = 1, reasons: int = 3) -> Statistics:
    return Statistics(
        days,
        tuple(
            Period(START + timedelta(days=days * n), 10 * (n + 1), n, n // 2)
            for n in range(periods)
        ),
        tuple((f"name_{n}", 100 - n) for n in range(reasons)),
    )


@pytest.mark.parametrize(
    "statistics", [found(30), found(1, reasons=0), found(53, 7, 20), found(62)], ids=str
)
async def test_a_picture_is_a_telephones_width_and_says_what_it_shows(
    tmp_path: Path, statistics: Statistics
) -> None:
    drawn = await picture.paint(statistics, "example.org", tmp_path)
    assert drawn is not None
    assert (drawn.content_type, drawn.size) == ("image/png", (750, 990))
    assert 10_000 < len(drawn.data) < 300_000
    assert drawn.data.endswith(b"IEND\xaeB`\x82")


def test_the_words_beside_it_name_the_main_figures() -> None:
    assert picture.told(found(3)) == (
        "Bars of requests by day since 2026-10-26: 60 in all, most (30) on 2026-10-28;"
        " 3 refused, first for: name 0 (100); 1 account opened."
    )
    nothing = Statistics(7, (Period(START, 0, 0, 0),), ())
    assert picture.told(nothing) == (
        "Bars of requests by week since 2026-10-26: 0 in all; 0 refused; 0 accounts opened."
    )


@pytest.mark.parametrize(
    "program",
    [
        "raise ModuleNotFoundError('No module named matplotlib')",
        "print('no picture')",
        "import os; os.kill(os.getpid(), 9)",
        "import sys; sys.stdin.close(); sys.exit(3)",
        r"import sys; sys.stdout.buffer.write(b'\x89PNG\r\n\x1a\n' + bytes(3 * 1024 * 1024))",
    ],
)
async def test_without_a_picture_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    (tmp_path / "chart.py").write_text(program)
    monkeypatch.setattr(chart, "__file__", str(tmp_path / "chart.py"))
    assert await picture.paint(found(3), "example.org", tmp_path) is None


async def test_a_picture_that_takes_too_long_is_given_up_and_its_process_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chart.py").write_text(
        "import os, pathlib, time\n"
        "pathlib.Path(__file__).with_name('pid').write_text(str(os.getpid()))\n"
        "time.sleep(60)"
    )
    monkeypatch.setattr(chart, "__file__", str(tmp_path / "chart.py"))
    monkeypatch.setattr(picture, "PATIENCE", 1.5)
    begun = time.monotonic()
    assert await picture.paint(found(3), "example.org", tmp_path) is None
    assert time.monotonic() - begun < 10
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()


def test_the_bot_itself_never_loads_the_drawing_library() -> None:
    program = "import sys, bot.terminal, bot.service; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_tenth_reason_is_counted_with_the_others() -> None:
    reasons = [(f"r{n}", 1) for n in range(10)]
    assert chart._shortened(reasons)[-1] == ("other", 2)
    assert chart._shortened(reasons[:8]) == reasons[:8]
