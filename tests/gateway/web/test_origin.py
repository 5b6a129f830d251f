"""Which posts come from another site."""

import pytest

from gateway.web.origin import is_cross_site

HOST = {"Host": "desk.example.org"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://desk.example.org"},
        {"Origin": "http://desk.example.org:80"},
        {"Origin": "https://DESK.example.org"},
        {"Origin": "https://public.example.org"},
    ],
)
def test_our_own_form_and_scripts_are_heard(headers: dict[str, str]) -> None:
    assert not is_cross_site(HOST | headers, "https://public.example.org/desk")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://desk.example.org"},
        {"Origin": "https://evil.example"},
        {"Origin": "https://desk.example.org.evil.example"},
        {"Origin": "https://desk.example.org:8443"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
        {"Origin": ""},
    ],
)
def test_other_sites_are_not(headers: dict[str, str]) -> None:
    assert is_cross_site(HOST | headers, None)
