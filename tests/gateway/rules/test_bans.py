"""Bans: a line reads back as what was banned, and the book hits what people mean and no more."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.rules.addresses import parse_address
from gateway.rules.ban_book import BanBook
from gateway.rules.bans import (
    Ban,
    Kind,
    canonical,
    format_line,
    format_time,
    guess_kind,
    parse_line,
    parse_time,
)
from gateway.rules.networks import plain_address

NOW = datetime(2026, 11, 23, 10, 4, tzinfo=UTC)
DAY = timedelta(days=1)


def book_of(kind, *lines):
    book = BanBook()
    for line in lines:
        ban = parse_line(kind, line)
        assert ban is not None
        book.add(ban)
    return book


def hits_email(ban, address):
    return bool(book_of(Kind.EMAIL, ban).addresses(parse_address(address), NOW))


# Lines


def test_reads_the_line_of_the_design():
    line = (
        "203.0.113.0/24  # until 2026-12-01T00:00Z | by @mod:example.org"
        " | 2026-11-23T10:04Z | open proxy"
    )
    ban = Ban(
        Kind.IP,
        "203.0.113.0/24",
        until=datetime(2026, 12, 1, tzinfo=UTC),
        by="@mod:example.org",
        at=NOW,
        reason="open proxy",
    )
    assert parse_line(Kind.IP, line) == ban
    assert format_line(ban) == line


@pytest.mark.parametrize("line", ["", "  ", "\t\r\n", "# 203.0.113.7", "   # a comment", "#"])
def test_blank_lines_and_comments_say_nothing(line):
    assert all(parse_line(kind, line) is None for kind in Kind)


@pytest.mark.parametrize(
    ("line", "ban"),
    [
        ("203.0.113.7", Ban(Kind.IP, "203.0.113.7")),
        ("203.0.113.7 #", Ban(Kind.IP, "203.0.113.7")),
        ("203.0.113.7 # # x", Ban(Kind.IP, "203.0.113.7", reason="# x")),
        ("203.0.113.7\t#open proxy\r\n", Ban(Kind.IP, "203.0.113.7", reason="open proxy")),
        ("203.0.113.7 # a | b", Ban(Kind.IP, "203.0.113.7", reason="a | b")),
        ("203.0.113.7 # by hand", Ban(Kind.IP, "203.0.113.7", reason="by hand")),
        ("203.0.113.7 # by terminal:eva", Ban(Kind.IP, "203.0.113.7", by="terminal:eva")),
        (
            "203.0.113.7 # spam | until 2026-11-24",
            Ban(Kind.IP, "203.0.113.7", datetime(2026, 11, 24, tzinfo=UTC), reason="spam"),
        ),
        ('203.0.113.7 # "until I say"', Ban(Kind.IP, "203.0.113.7", reason="until I say")),
        ("203.0.113.7 # review", Ban(Kind.IP, "203.0.113.7", review=True)),
        (
            "203.0.113.7 # until 2026-11-24 | review | a hotel",
            Ban(
                Kind.IP,
                "203.0.113.7",
                datetime(2026, 11, 24, tzinfo=UTC),
                reason="a hotel",
                review=True,
            ),
        ),
        ('203.0.113.7 # "review"', Ban(Kind.IP, "203.0.113.7", reason="review")),
        ("203.0.113.7 # review it", Ban(Kind.IP, "203.0.113.7", reason="review it")),
    ],
)
def test_reads_what_people_write_by_hand(line, ban):
    assert parse_line(Kind.IP, line) == ban


@pytest.mark.parametrize(
    ("kind", "line", "told"),
    [
        (Kind.IP, "example.org", "no address or network"),
        (Kind.IP, "203.0.113.7, 203.0.113.8", "no address or network"),
        (Kind.IP, "203.0.113.7 # until tomorrow", "'tomorrow' is no time"),
        (Kind.IP, "203.0.113.7 # until 0001-01-01T00:00+23:00", "is no time"),
        (Kind.EMAIL, "example.org", "no e-mail address"),
        (Kind.EMAIL, "a b@example.org", "holds a space"),
        (Kind.EMAIL, "a@exam_ple!.org", "no domain name"),
        (Kind.EMAIL, "a@", "no domain name"),
        (Kind.EMAIL, "[z-a]@example.org", "no pattern"),
        (Kind.EMAIL, "*", "pause the desk"),
        (Kind.EMAIL, "*@*", "pause the desk"),
        (Kind.EMAIL, "?*@*.*", "pause the desk"),
        (Kind.EMAIL, "mailto:ann@example.org", "is no e-mail address"),
        (Kind.EMAIL, "<ann@example.org", "is no e-mail address"),
        (Kind.NAME, "(", "no pattern"),
        (Kind.NAME, "(?<!a)b", "no pattern"),
        (Kind.NAME, "adm\x00in", "nothing invisible"),
        (Kind.NAME, "x*", "found in every name"),
        (Kind.NAME, ".*", "found in every name"),
        (Kind.NAME, ".", "found in every name"),
        (Kind.NAME, "^[a-z]", "found in every name"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_in_a_sentence(kind, line, told):
    with pytest.raises(ValueError, match=told):
        parse_line(kind, line)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.NAME, "^.{1,2}$"),
        (Kind.NAME, ".{15}"),
        (Kind.NAME, "[aeiou]"),
        (Kind.EMAIL, "*@*.io"),
        (Kind.EMAIL, "*.*@*"),
        (Kind.EMAIL, "o'neill+x/y=z!#$%&*@example.org"),
        (Kind.EMAIL, "o'neill+x/y=z!#$%&@example.org"),
    ],
)
def test_a_wide_value_is_no_ban_on_everybody(kind, value):
    assert parse_line(kind, value) == Ban(kind, value)


VALUES = {
    Kind.IP: ["203.0.113.7", "203.0.113.0/24", "2001:db8::/32"],
    Kind.EMAIL: ["ada@example.org", "@example.org", "spam*@example.org", "a#b|c@example.org"],
    Kind.NAME: ["^admin[0-9]*$", "a|b", "x#y", "a | b", "[#]!"],
}
_TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=0)
)
_WORDS = st.sampled_from(
    [
        *("|", " | ", "#", " # ", '"', " ", "spam", "x" * 200),
        *("until ", "until 2026-12-01", "by @mod:x", "by terminal:a", "2026-11-23"),
        *("\n", "\u202e", "\u2028", "\x00", "\ud800"),
    ]
)
_REASONS = st.lists(_WORDS, max_size=6).map("".join) | st.text(max_size=40)
_BANS = st.sampled_from([(kind, value) for kind in Kind for value in VALUES[kind]]).flatmap(
    lambda pair: st.builds(
        Ban,
        kind=st.just(pair[0]),
        value=st.just(pair[1]),
        until=st.none() | _TIMES,
        by=st.none() | st.sampled_from(["@mod:example.org", "@a|b#c:[::1]:8448", "terminal:eva"]),
        at=st.none() | _TIMES,
        reason=_REASONS,
    )
)


def tidied(reason):
    text = "".join(char if char.isprintable() else " " for char in reason)
    return " ".join(text.split())[:300].rstrip()


@given(_BANS)
def test_every_ban_reads_back(ban):
    line = format_line(ban)
    assert line.isprintable()
    read = parse_line(ban.kind, line + "\n")
    assert read == Ban(ban.kind, ban.value, ban.until, ban.by, ban.at, tidied(ban.reason))
    assert format_line(read) == line


@given(st.sampled_from(Kind), st.text(max_size=80), st.text(max_size=80))
def test_whatever_stands_in_a_line_no_other_error_comes_of_it(kind, value, remark):
    try:
        ban = parse_line(kind, f"{value} # {remark}")
    except ValueError:
        return
    if ban is not None:
        assert parse_line(kind, format_line(ban)) is not None


def test_a_moderator_s_id_cannot_break_out_of_its_line():
    ban = Ban(Kind.IP, "203.0.113.7", by="@x\n0.0.0.0/1 | until 2020-01-01")
    line = format_line(ban)
    assert "\n" not in line
    read = parse_line(Kind.IP, line)
    assert read is not None
    assert read.until is None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        (" 2026-12-01T00:00Z ", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01 13:30", datetime(2026, 12, 1, 13, 30, tzinfo=UTC)),
        ("2026-12-01T13:30:15+02:00", datetime(2026, 12, 1, 11, 30, 15, tzinfo=UTC)),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text, at):
    assert parse_time(text) == at


@given(_TIMES)
def test_a_time_reads_back(at):
    assert parse_time(format_time(at)) == at


# Values


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        (Kind.IP, "203.0.113.7/24", "203.0.113.0/24"),
        (Kind.IP, "2001:DB8::1", "2001:db8::1"),
        (Kind.EMAIL, " Ada@Example.ORG ", "ada@example.org"),
        (Kind.EMAIL, "a.da+x@googlemail.com", "ada@gmail.com"),
        (Kind.EMAIL, "*@Example.org.", "@example.org"),
        (Kind.EMAIL, "@BÜCHER.example", "@xn--bcher-kva.example"),
        (Kind.EMAIL, "spam*@faß.de", "spam*@xn--fa-hia.de"),
        (Kind.EMAIL, "Spam[0-9]*@x.org", "spam[0-9]*@x.org"),
        (Kind.NAME, " ^Admin$ ", "^Admin$"),
    ],
)
def test_a_value_has_one_spelling(kind, typed, value):
    assert canonical(kind, typed) == value


@given(
    st.sampled_from(Kind),
    st.text(max_size=40) | st.from_regex(r"[\w.+*?\[\]-]{0,9}@[\w.*-]{1,12}", fullmatch=True),
)
def test_the_one_spelling_is_its_own_spelling(kind, typed):
    try:
        value = canonical(kind, typed)
    except ValueError:
        return
    assert canonical(kind, value) == value
    assert value.isprintable()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("203.0.113.7", Kind.IP),
        ("2001:db8::/32", Kind.IP),
        ("ada@example.org", Kind.EMAIL),
        ("@example.org", Kind.EMAIL),
        ("^admin$", Kind.NAME),
        ("203.0.113.999", Kind.NAME),
    ],
)
def test_a_value_tells_its_kind(value, kind):
    assert guess_kind(value) is kind


# Hits


@pytest.mark.parametrize(
    ("ban", "address"),
    [
        ("bad@x.org", "Bad@X.org"),
        ("bad+tag@x.org", "bad+tag@x.org"),
        ("*@yopmail.com", "x@yopmail.com"),
        ("*@yopmail.com", "x@mail.yopmail.com"),
        ("@yopmail.com", "x@a.b.yopmail.com"),
        ("spam*@x.org", "spam+7@x.org"),
        ("*spam*", "x@spam.example"),
        ("b.a.d@gmail.com", "bad+again@googlemail.com"),
        ("@googlemail.com", "x@googlemail.com"),
        ("@gmail.com", "x@googlemail.com"),
        ("sp.am*@googlemail.com", "sp.am7@googlemail.com"),
        ("@bücher.example", "x@mail.xn--bcher-kva.example"),
        ("x*@bücher.example", "xy@bücher.example"),
    ],
)
def test_an_address_is_hit(ban, address):
    assert hits_email(ban, address)


@pytest.mark.parametrize(
    ("ban", "address"),
    [
        ("bad@x.org", "bad@x.organic"),
        ("bad@x.org", "notbad@x.org"),
        ("bad@x.org", "bad@mail.x.org"),
        ("bad+tag@x.org", "badtag@x.org"),
        ("bad+tag@x.org", "baddtag@x.org"),
        ("bad@x.org", "bad+tag@x.org"),
        ("b.d@x.org", "bad@x.org"),
        ("*@yopmail.com", "x@yopmail.com.evil.example"),
        ("@yopmail.com", "x@notyopmail.com"),
        ("@yopmail.com", "yopmail.com@example.org"),
        ("spam*@x.org", "spam@x.organic"),
        ("@gmail.com.example", "x@gmail.com"),
    ],
)
def test_an_address_is_not_hit(ban, address):
    assert not hits_email(ban, address)


@pytest.mark.parametrize(
    ("ban", "hit", "missed"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.70"),
        ("203.0.113.99/24", "203.0.113.1", "203.0.114.1"),
        ("203.0.113.7", "::ffff:203.0.113.7", "2001:db8::1"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
        ("2001:db8::1", "2001:DB8:0::1", "2001:db8::2"),
        ("::ffff:203.0.113.0/120", "203.0.113.9", "::1"),
    ],
)
def test_both_families_are_banned(ban, hit, missed):
    book = book_of(Kind.IP, ban)
    assert book.networks(plain_address(hit), NOW) == [canonical(Kind.IP, ban)]
    assert book.networks(plain_address(missed), NOW) == []


def test_every_ban_that_hits_is_named():
    book = book_of(Kind.EMAIL, "a@b.c.example", "@c.example", "@b.c.example", "a*", "?@b.c.example")
    found = book.addresses(parse_address("a@b.c.example"), NOW)
    assert found[:3] == ["a@b.c.example", "@b.c.example", "@c.example"]
    assert sorted(found[3:]) == ["?@b.c.example", "a*"]
    assert book_of(Kind.NAME, "adm", "min").names("Admin", NOW) == ["adm", "min"]
    assert book_of(Kind.IP, "10.0.0.0/8", "10.1.0.0/16").networks(
        plain_address("10.1.2.3"), NOW
    ) == ["10.0.0.0/8", "10.1.0.0/16"]


# The book


def test_a_ban_ends_at_its_moment():
    book = book_of(Kind.IP, "203.0.113.7 # until 2026-11-23T10:04Z")
    address = plain_address("203.0.113.7")
    assert book.networks(address, NOW - timedelta(seconds=1)) == ["203.0.113.7"]
    assert book.networks(address, NOW) == []
    assert book.expired(NOW - timedelta(seconds=1)) == []
    assert book.expired(NOW) == [(Kind.IP, "203.0.113.7")]


_SPANS = st.none() | st.integers(-3, 3).map(lambda days: NOW + days * DAY)


@given(st.sampled_from([(Kind.IP, "203.0.113.7"), (Kind.NAME, "adm"), (Kind.EMAIL, "a@x.org")]),
       st.lists(_SPANS, min_size=1, max_size=6))  # fmt: skip
def test_of_two_bans_on_one_value_the_longer_holds(pair, untils):
    book = BanBook()
    for until in untils:
        ban = Ban(*pair, until=until)
        covered = book.covers(ban)
        held = book.holds(*pair)
        book.add(ban)
        assert book.covers(ban)
        assert held or not covered
    longest = None if None in untils else max(u for u in untils if u)
    assert len(book) == 1
    assert book.expired(NOW) == ([] if longest is None or longest > NOW else [pair])
    for until in (NOW - DAY, NOW, NOW + DAY, None):
        shorter = longest is None or (until is not None and until <= longest)
        assert book.covers(Ban(*pair, until=until)) == shorter


def test_a_kind_is_taken_over_whole_and_alone():
    book = book_of(Kind.IP, "203.0.113.7 # until 2026-11-24", "203.0.113.8")
    book.add(Ban(Kind.NAME, "adm", NOW))
    book.add(Ban(Kind.EMAIL, "a*@x.org"))
    other = book_of(Kind.IP, "203.0.113.9 # until 2026-11-22")
    book.adopt(Kind.IP, other)
    assert len(book) == 3
    assert not book.holds(Kind.IP, "203.0.113.7")
    assert set(book.expired(NOW)) == {(Kind.NAME, "adm"), (Kind.IP, "203.0.113.9")}
    book.adopt(Kind.NAME, BanBook())
    book.adopt(Kind.EMAIL, BanBook())
    assert len(book) == 1
    assert book.expired(NOW) == [(Kind.IP, "203.0.113.9")]


@given(st.lists(st.sampled_from("abc"), max_size=4).map("".join), st.text("ab*?", min_size=1))
def test_globs_and_plain_addresses_hit_alike(local, glob):
    assume(local and glob.strip("*"))
    address = parse_address(f"{local}@example.org")
    plain = book_of(Kind.EMAIL, f"{local}@example.org").addresses(address, NOW)
    assert plain == [f"{local}@example.org"]
    book = book_of(Kind.EMAIL, f"{glob}@example.org")
    before = book.addresses(address, NOW)
    book.compact()
    assert book.addresses(address, NOW) == before


# Lines that ask for a look


def test_a_line_says_whether_it_refuses_or_asks_for_a_look():
    book = book_of(Kind.IP, "203.0.113.0/24 # review", "203.0.113.7")
    assert book.only_reviews(Kind.IP, "203.0.113.0/24")
    assert not book.only_reviews(Kind.IP, "203.0.113.7")
    assert len(book.networks(plain_address("203.0.113.7"), NOW)) == 2


@pytest.mark.parametrize("lines", [("@a.org", "@a.org # review"), ("@a.org # review", "@a.org")])
def test_of_two_lines_on_one_value_the_one_that_refuses_holds(lines):
    book = book_of(Kind.EMAIL, *lines)
    assert not book.only_reviews(Kind.EMAIL, "@a.org")


def test_a_refusal_over_a_review_ends_when_it_says():
    book = book_of(Kind.EMAIL, "@a.org # review", "@a.org # until 2026-11-24")
    address = parse_address("x@a.org")
    assert book.addresses(address, NOW) == ["@a.org"]
    assert book.addresses(address, NOW + DAY) == []


def test_a_review_is_no_ban_that_stands_already():
    book = book_of(Kind.EMAIL, "@a.org # review")
    assert not book.covers(Ban(Kind.EMAIL, "@a.org"))
    assert book.covers(Ban(Kind.EMAIL, "@a.org", review=True))
    assert book_of(Kind.EMAIL, "@a.org").covers(Ban(Kind.EMAIL, "@a.org", review=True))
