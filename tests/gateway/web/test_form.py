"""The form in every dress it comes in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.form import Form, Unreadable, read

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = 'multipart/form-data; boundary="edge"'


def parts(*fields: tuple[str, bytes]) -> bytes:
    body = b"".join(
        b'--edge\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        % (name.encode(), value)
        for name, value in fields
    )
    return body + b"--edge--\r\n"


def test_a_browser_sends_it_urlencoded() -> None:
    body = b"requested_username=%C3%A4nn+x&email=a%2Bb%40example.org&other=1"
    assert read(body, URLENCODED, URLENCODED) == Form("änn x", "a+b@example.org")


def test_multipart() -> None:
    body = parts(("requested_username", "änn".encode()), ("email", b"a@example.org"))
    assert read(body, "multipart/form-data", MULTIPART) == Form("änn", "a@example.org")


def test_json() -> None:
    body = b'{"requested_username": "ann", "email": "a@example.org", "x": 1}'
    assert read(body, "application/json", "") == Form("ann", "a@example.org")


def test_half_a_surrogate_is_no_text() -> None:
    form = read(rb'{"requested_username": "\ud800", "email": ""}', "application/json", "")
    assert form == Form("?", "")


def test_missing_fields_are_empty_and_of_two_the_first_counts() -> None:
    assert read(b"", URLENCODED, URLENCODED) == Form("", "")
    assert read(b"email=1&email=2", URLENCODED, URLENCODED) == Form("", "1")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"email": 5}', "application/json", 400),
        (b"[" * 15000, "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"email=\xff", URLENCODED, 400),
        (b"a=1&" * 100, URLENCODED, 400),
        (b"nothing", "multipart/form-data", 400),
        (b"email=x", "text/plain", 415),
        (b"email=x", "application/octet-stream", 415),
    ],
)
def test_what_is_no_form(body: bytes, kind: str, status: int) -> None:
    with pytest.raises(Unreadable) as caught:
        read(body, kind, kind)
    assert caught.value.status == status


@given(
    st.binary(max_size=300),
    st.sampled_from([URLENCODED, "multipart/form-data", "application/json"]),
    st.text(st.characters(max_codepoint=255), max_size=60),
)
def test_rubbish_is_a_form_or_unreadable(body: bytes, kind: str, parameters: str) -> None:
    try:
        form = read(body, kind, f"{kind}; {parameters}")
    except Unreadable as error:
        assert error.status == 400
    else:
        assert form.name.encode() is not None
        assert form.email.encode() is not None
