"""Versions are read and compared, however a server writes them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.homeserver.version import NO_VERSION, parse_version


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        ("1.163.2", (1, 163, 2)),
        ("1.163.2 (b=main,359e92a)", (1, 163, 2)),
        ("v1.22.0", (1, 22)),
        ("26.8.0-alpha.1 (a1b2c3d)", (26, 8)),
        ("0.5.0-rc4 (e5049cae4)", (0, 5)),
        ("0.5.10+1", (0, 5, 10)),
        ("1.4.9.1", (1, 4, 9, 1)),
        ("1.8.1-14-g0a1b2c3 (0a1b2c3)", (1, 8, 1)),
        ("0", ()),
    ],
)
def test_a_version_is_its_numbers(written: str, numbers: tuple[int, ...]) -> None:
    version = parse_version(written)
    assert version.is_known
    assert version.numbers == numbers
    assert version.text == written


@pytest.mark.parametrize(
    "written", ["", "  ", "main", "-1", "v", "1234567.1", "٣.١", None, 5, ["1.0"], {"a": 1}]
)
def test_what_is_no_version_is_none(written: object) -> None:
    assert parse_version(written) is NO_VERSION
    assert not parse_version(written).is_known


@given(st.text())
def test_no_text_breaks_it(written: str) -> None:
    assert len(parse_version(written).text) <= 60


def test_versions_are_in_order() -> None:
    written = ["0.4.7", "0.5.0-rc4", "0.5.2", "0.5.10", "1.4.9.1", "1.5.0", "1.8.1", "26.8.0"]
    versions = [parse_version(each) for each in written]
    assert all(earlier < later for earlier, later in pairwise(versions))
    assert parse_version("1.5") == parse_version("1.5.0")
