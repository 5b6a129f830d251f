"""The files that other programs read, while the plug is pulled a hundred times."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.torture.figures import tell
from tests.torture.writer import pull_the_plug

FOLDERS, KILLS = 4, 25


@pytest.mark.torture
async def test_ban_file_and_token_file_stay_whole(tmp_path: Path, seed: int) -> None:
    plugs = (
        pull_the_plug(tmp_path / str(number), KILLS, random.Random(seed + number))
        for number in range(FOLDERS)
    )
    written = sum(await asyncio.gather(*plugs))
    tell("Files", {"kills": FOLDERS * KILLS, "bans and tokens promised, all kept": written})
