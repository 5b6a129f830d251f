"""Two hundred kills at random moments under load: nothing is lost, and nobody is let in."""

import random

import pytest

from tests.journeys.conftest import OpenHouse, Post
from tests.torture.figures import tell
from tests.torture.kills import MOMENTS, Torture

KILLS = 200


@pytest.mark.torture
async def test_what_was_promised_is_kept(open_file_house: OpenHouse, post: Post, seed: int) -> None:
    house = await open_file_house(tokens={"mode": "per_applicant"})
    moments = random.Random(seed).choices(MOMENTS, k=KILLS)
    tell("Kills", await Torture(house, post, seed).run(moments))
