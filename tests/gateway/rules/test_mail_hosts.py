"""What mail servers say about a domain: big ones nothing, whoever else is there."""

import pytest

from gateway.rules.domains import EVERYBODY, Domains
from gateway.rules.doubts import Doubt, DoubtCode
from gateway.rules.mail_hosts import mail_doubt

CHOOSY = Domains(throwaway="review", more=frozenset({"brief.example", "google.com"}))


def test_a_domain_whose_mail_nobody_takes_is_doubted():
    expected = Doubt(DoubtCode.NO_MAIL_SERVER, "firm.example")
    assert mail_doubt("firm.example", (), CHOOSY) == expected
    assert mail_doubt("firm.example", (), EVERYBODY) == expected


@pytest.mark.parametrize("treatment", ["review", "refuse"])
def test_mail_that_goes_to_a_throw_away_domain_is_doubted(treatment):
    domains = Domains(throwaway=treatment, more=frozenset({"brief.example"}))
    for hosts, listed in (
        (("mx.brief.example",), "brief.example"),
        (("mx.firm.example", "smtp.yopmail.com"), "yopmail.com"),
    ):
        found = mail_doubt("firm.example", hosts, domains)
        assert found == Doubt(DoubtCode.THROWAWAY_MAIL_SERVER, listed)


def test_where_throw_away_domains_are_welcome_so_are_those_behind_them():
    assert mail_doubt("firm.example", ("smtp.yopmail.com",), EVERYBODY) is None


@pytest.mark.parametrize(
    "host",
    [
        *("aspmx.l.google.com", "alt1.aspmx.l.google.com", "aspmx2.googlemail.com"),
        *("firm-example.mail.protection.outlook.com", "mx01.mail.icloud.com"),
        *("mail.protonmail.ch", "in1-smtp.messagingengine.com", "mxext1.mailbox.org"),
        *("mx.zoho.eu", "mx.zoho.com", "mta5.am0.yahoodns.net", "firm.k-v1.mx.microsoft"),
    ],
)
def test_a_big_mail_host_says_nothing_even_where_a_list_names_it(host):
    listed = Domains(throwaway="refuse", more=frozenset({host, host.partition(".")[2]}))
    assert mail_doubt("firm.example", (host,), listed) is None
    assert mail_doubt("firm.example", (f"{host}.evil.example", "smtp.yopmail.com"), listed)


def test_a_good_mail_host_is_not_doubted():
    good = Domains(throwaway="review", good=frozenset({"smtp.yopmail.com"}))
    assert mail_doubt("firm.example", ("smtp.yopmail.com",), good) is None
