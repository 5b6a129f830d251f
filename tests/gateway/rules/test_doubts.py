"""Doubts: each reason to look at a request, once, and none of them by accident."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.addresses import parse_address
from gateway.rules.domains import EVERYBODY, Domains
from gateway.rules.doubts import Caution, Doubt, DoubtCode, doubts
from gateway.rules.limits import Limit
from gateway.rules.networks import plain_address

LIMIT = Limit(20, timedelta(days=1))
CAREFUL = Caution(all=True, new_networks=True, after=LIMIT)
CHOOSY = Domains(throwaway="review")


def found(caution, *, domains=EVERYBODY, bans=(), email="a@yopmail.com", is_new=True, accepted=20):
    return doubts(
        caution,
        domains=domains,
        bans=bans,
        ip=plain_address("203.0.113.7"),
        address=parse_address(email),
        network_is_new=is_new,
        accepted=accepted,
    )


def test_every_reason_is_told_in_order_with_what_it_is_about():
    assert found(CAREFUL, domains=CHOOSY, bans=("^adm", "@x.example")) == [
        Doubt(DoubtCode.BAN, "^adm"),
        Doubt(DoubtCode.BAN, "@x.example"),
        Doubt(DoubtCode.THROWAWAY_DOMAIN, "yopmail.com"),
        Doubt(DoubtCode.NEW_NETWORK, "203.0.113.0/24"),
        Doubt(DoubtCode.MANY_REQUESTS, "more than 20 per 1d"),
        Doubt(DoubtCode.EVERY_REQUEST),
    ]


def test_without_caution_only_a_ban_asks_for_a_look():
    assert found(Caution()) == []
    assert found(Caution(), bans=("^adm",)) == [Doubt(DoubtCode.BAN, "^adm")]


@pytest.mark.parametrize(
    ("caution", "harmless"),
    [
        (Caution(new_networks=True), {"is_new": False}),
        (Caution(after=LIMIT), {"accepted": 19}),
    ],
)
def test_each_reason_holds_alone_and_only_for_what_it_is_about(caution, harmless):
    assert len(found(caution)) == 1
    assert found(caution, **harmless) == []


def test_a_throw_away_domain_is_looked_at_only_where_the_operator_wants_it():
    (doubt,) = found(Caution(), domains=CHOOSY)
    assert doubt == Doubt(DoubtCode.THROWAWAY_DOMAIN, "yopmail.com")
    assert found(Caution(), domains=CHOOSY, email="a@example.net") == []
    assert found(Caution(), domains=Domains(throwaway="refuse")) == []


@given(
    st.builds(Caution, st.booleans(), st.booleans(), st.none() | st.just(LIMIT)),
    st.lists(st.text(), max_size=9).map(tuple),
    st.booleans(),
    st.integers(0, 50),
)
def test_a_look_is_only_what_somebody_asked_for(caution, bans, is_new, accepted):
    codes = [each.code for each in found(caution, bans=bans, is_new=is_new, accepted=accepted)]
    assert codes == sorted(codes, key=list(DoubtCode).index)
    assert codes.count(DoubtCode.BAN) == min(len(bans), 5)
    assert (DoubtCode.EVERY_REQUEST in codes) == caution.all
    assert (DoubtCode.MANY_REQUESTS in codes) == (caution.after is not None and accepted >= 20)
