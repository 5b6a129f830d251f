"""The shipped lists: every line can be read, impostors are hit, and ordinary people are not."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.rules.addresses import parse_address
from gateway.rules.ban_book import BanBook
from gateway.rules.bans import Kind, parse_line
from gateway.rules.names import parse_name
from gateway.rules.networks import plain_address
from gateway.store.ban_files import FILES

LISTS = Path(__file__).parents[3] / "bans"
NOW = datetime(2026, 5, 1, tzinfo=UTC)

ORDINARY = (
    "ada alice anna.schmidt badminton supportive supporter staffan stafford staffordshire modest"
    " modern-art moderato modena rooty groot beetroot kate.root systematic torpedo pedro pedometer"
    " cpu-fan cpt_kirk c.p.snow csaba essex sussex middlesex childe kidman minorca lolita dolly"
    " sherlock matrixfan matrix.lover neo trinity morpheus abusir postman webb hosteen infoseek"
    " contactless legally helper helpful help-yourself noreen operators.are.us secure-shell sextant"
    " nudelsuppe porter room237 serverin teamwork verifiable accountant registrar1 admiral adminton"
    " administer xx_dragon_xx 4chan user1234 m4x emily.teamadams"
)
IMPOSTORS = (
    "admin admin1 the-admin adm1n theadmin realadmin sysadmin server.admin admin-team adminteam"
    " administrator administrators ada.admin matrixadmin root root1 the_root moderator moderators"
    " mod mods mod-team bob_moderator staff staff1 server-staff staff-member support support-team"
    " supportteam techsupport it-support helpdesk help-desk service_desk security security-team"
    " trust-and-safety trustsafety abuse abuse1 postmaster hostmaster webmaster mailer-daemon"
    " noreply no-reply do-not-reply info contact billing matrix thematrix system server homeserver"
    " localhost server-notices server_notice system-message matrix-bot registration-bot"
    " verification account-team owner operator"
)
ABUSIVE = (
    "csam csem.trade xx_csam_xx childporn child-porn kid_sex kiddieporn preteen.nude underagesex"
    " nudechild buy-cp cp.links tradecp pthc jailbait lolicon loli-porn pedo paedo ped0 pedos"
    " pedophile hebephilia paedophil minor-attracted"
)


def book_of(kind, name):
    book = BanBook()
    for line in (LISTS / name).read_text(encoding="utf-8").splitlines():
        ban = parse_line(kind, line)
        if ban is not None:
            assert not book.holds(kind, ban.value), f"{line!r} stands there twice"
            book.add(ban)
    return book


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, prefix + name) for kind, name in FILES.items() for prefix in ("", "example-")],
)
def test_every_line_of_a_shipped_list_can_be_read(kind, name):
    book_of(kind, name)


def test_every_shipped_list_is_tested():
    assert {path.name for path in LISTS.glob("*.txt")} == {
        prefix + name for name in FILES.values() for prefix in ("", "example-")
    }


@pytest.mark.parametrize("kind", Kind)
def test_the_examples_in_the_comments_can_be_read(kind):
    text = (LISTS / FILES[kind]).read_text(encoding="utf-8")
    examples = [line[2:] for line in text.splitlines() if " | by @mod" in line]
    assert len(examples) + text.count("# eve@") > 0
    assert all(parse_line(kind, line) for line in examples)


@pytest.mark.parametrize("name", f"{IMPOSTORS} {ABUSIVE}".split())
def test_names_of_impostors_and_abusers_are_refused(name):
    assert book_of(Kind.NAME, "usernames.txt").names(parse_name(name, "example.org"), NOW)


def test_ordinary_names_pass():
    book, names = book_of(Kind.NAME, "usernames.txt"), ORDINARY.split()
    assert len(names) > 50
    hits = {name: book.names(parse_name(name, "example.org"), NOW) for name in names}
    assert {name: found for name, found in hits.items() if found} == {}


def test_the_example_holds_what_is_in_force_and_more():
    def patterns(name):
        lines = (LISTS / name).read_text(encoding="utf-8").splitlines()
        bans = [ban for line in lines if (ban := parse_line(Kind.NAME, line))]
        return {ban.value for ban in bans if not ban.by}  # what a moderator added is his own

    assert patterns("usernames.txt") < patterns("example-usernames.txt")


@pytest.mark.parametrize(
    ("address", "is_hit"),
    [
        ("x@yopmail.com", True),
        ("x@mail.yopmail.com", True),
        ("x@mailinator.com", True),
        ("bot12345@mail.example", True),
        ("x@notyopmail.com", False),
        ("x@yopmail.com.example.org", False),
        ("ada@example.org", False),
        ("ada@gmail.com", False),
    ],
)
def test_throw_away_mailboxes_are_hit(address, is_hit):
    book = book_of(Kind.EMAIL, "example-emails.txt")
    assert bool(book.addresses(parse_address(address), NOW)) == is_hit


def test_the_example_networks_are_set_aside_for_documentation():
    book = book_of(Kind.IP, "example-ips.txt")
    assert len(book) == 6
    for address in ("192.0.2.7", "198.51.100.1", "203.0.113.1", "2001:db8::7", "2001:db8:200:1::9"):
        assert book.networks(plain_address(address), NOW)
    for address in ("192.0.2.8", "127.0.0.1", "::1", "8.8.8.8", "2001:db9::1"):
        assert book.networks(plain_address(address), NOW) == []
