"""An address is found in what people write, in any spelling, and nothing else is touched."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rules.addresses import parse_address
from gateway.rules.mentions import FORGOTTEN, without

KEY = parse_address("annsmith@gmail.com").key


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("annsmith@gmail.com", FORGOTTEN),
        ("email Ann.Smith+x@GoogleMail.com", f"email {FORGOTTEN}"),
        ("550 <a.n.n.smith@gmail.com>: unknown user", f"550 <{FORGOTTEN}>: unknown user"),
        ("it's 'annsmith@gmail.com'.", f"it's '{FORGOTTEN}'."),
        ("--reason=annsmith@gmail.com again", f"--reason={FORGOTTEN} again"),
        ("mailto:annsmith@gmail.com,bob@x.org", f"mailto:{FORGOTTEN},bob@x.org"),
        ("annsmith@gmail.com.example and bobannsmith@gmail.com", None),
        ("@mod:example.org banned @gmail.com", None),
        ("annsmith @gmail.com", None),
        ("nothing", None),
    ],
)
def test_every_spelling_is_found_and_nothing_else(text: str, bare: str | None) -> None:
    assert without(text, KEY) == (text if bare is None else bare)


def test_within_json_texts_are_found_however_they_are_escaped() -> None:
    key = parse_address("änn@example.net").key
    kept = json.dumps([{"detail": "ban änn@example.net", "n": 1}, ["bob@example.net", None]])
    assert "änn" not in kept
    assert json.loads(without(kept, key)) == [
        {"detail": f"ban {FORGOTTEN}", "n": 1},
        ["bob@example.net", None],
    ]
    assert without("[no json, but annsmith@gmail.com", KEY) == f"[no json, but {FORGOTTEN}"


@settings(deadline=None)
@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_whatever_stands_around_it_nothing_breaks(before: str, after: str) -> None:
    bare = without(f"{before} annsmith@gmail.com {after}", KEY)
    assert "annsmith@gmail.com " not in bare or "annsmith@gmail.com" in before + after
