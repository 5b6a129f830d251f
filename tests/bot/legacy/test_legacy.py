"""The older installation comes over whole, twice without harm, and not at all when damaged."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.legacy.config import NewConfig, translate
from bot.legacy.lists import Damaged, read_bans, read_registrations
from bot.legacy.mail import translate_body
from bot.legacy.plan import CONFIG, Plan, make_plan
from bot.legacy.takeover import carry_out
from gateway.homeserver.token_file import TokenFile
from gateway.mail.compose import Composer
from gateway.rules.bans import Kind
from gateway.settings.config import load, parse
from gateway.settings.settings import Settings
from gateway.store import audit, registrations, tokens
from gateway.store.audit import Author
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database
from gateway.store.registrations import Registration, Status

CONFIGURED = """
server_name: example.org
state: state
bans: bans
homeserver: {kind: token_file, url: "http://127.0.0.1:1", token_file: token}
tokens: {mode: shared}
smtp: {host: 127.0.0.1, port: 1, security: none, from: Porter <porter@example.org>}
"""
FLAT = """
port: 6626
homeserver: "old.example"
token_reset_time_utc: 0
downtime_before_token_reset: 30
email_cooldown: 3600
multiple_users_per_email: false
smtp:
  host: "smtp.example.com"
  port: 587
  username: "desk@old.example"
  password: "p4ss: 'word'"
  use_tls: true
email_subject: "Your token for {homeserver}"
email_body: |
  Hello {requested_username},

  {registration_token} opens an account on {homeserver}, asked at {utc_time},
  for {time_until_reset}. {{Not a placeholder}}
"""
NESTED = """
port: 6627
homeserver: "old.example"
base_url: "https://matrix.old.example"
registration:
  token_reset_time_utc: 2330
  downtime_before_token_reset: 5
  email_cooldown: 300
  multiple_users_per_email: true
matrix_admin:
  username: "@admin:old.example"
  password: "MyAdminPassword"
  room: "!123AdminRoom:old.example"
  super_admin: "@conduit:old.example"
email:
  smtp:
    host: "mail.old.example"
    port: 465
    username: "admin"
    password: "MySMTPPassword"
    from: "Registration Team <no-reply@old.example>"
    use_tls: true
  templates:
    registration_token:
      subject: "{homeserver} registration token"
      body: "templates/emails/registration_token.txt"
      body_html: "templates/emails/registration_token.html"
"""
ROWS = [
    {
        "requested_name": "Alice",
        "email": "A.Lice+x@GMail.com",
        "datetime": "2025-01-02T03:04:05.123456",
        "ip_address": "203.0.113.9",
    },
    {
        "requested_name": "null",
        "email": "null@nope.no",
        "datetime": "2025-01-02T03:04:05",
        "ip_address": "127.0.0.1",
    },
    {
        "requested_name": "bob",
        "email": "bob@example.net, eve@example.net",
        "datetime": "2025-02-02T00:00:00",
        "ip_address": "testclient",
    },
]
OPERATOR = Author("terminal:operator")


def settings(folder: Path, more: str = "") -> Settings:
    return parse(CONFIGURED + more, folder, {})


def lay_out(folder: Path, **files: str | bytes) -> Path:
    """The older installation with these files; `_` stands for a dot, `__` for a slash."""
    old = folder / "old"
    contents: dict[str, str | bytes] = {
        "config.yaml": FLAT,
        "banned_ips.txt": "192.0.2.1\n198.51.100.77/24\n2001:db8::/32\n\nrubbish\n",
        "banned_emails.txt": "*@yopmail.com\nbad+tag@gmail.com\nsp*m@example.com\n",
        "banned_usernames.txt": "^admin\n(?=look)ahead\n(a)\\1\nhitler\n",
        "registrations.json": json.dumps(ROWS),
        ".registration_token": "3kXoldTOKEN\n",
    }
    for name, content in {**contents, **files}.items():
        path = old / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return old


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(each.relative_to(folder)): each.read_bytes() if each.is_file() else None
        for each in folder.rglob("*")
    }


async def plan_for(folder: Path, old: Path, more: str = "") -> Plan:
    return await make_plan(old, folder / "config.yaml", settings(folder, more))


async def bring_over(folder: Path, old: Path) -> Plan:
    plan = await plan_for(folder, old)
    assert plan.faults == []
    await carry_out(plan, OPERATOR)
    return plan


async def recorded(folder: Path) -> list[Registration]:
    database = Database(folder / "state" / "porter.db")
    found = await database.read(lambda c: [*registrations.every(c)])
    await database.close()
    return found


async def current_token(folder: Path) -> Any:
    database = Database(folder / "state" / "porter.db")
    found = await database.read(tokens.current_shared)
    await database.close()
    return found


async def test_a_plan_says_everything_and_changes_nothing(tmp_path: Path) -> None:
    old = lay_out(tmp_path)
    before = tree(tmp_path)
    plan = await plan_for(tmp_path, old)
    assert tree(tmp_path) == before
    said = "\n".join(plan.lines())
    assert f"{tmp_path / CONFIG}, imported-templates/token.txt" in said
    assert "banned_ips.txt: 3 bans, 3 new" in said
    assert "1 with host bits set" in said
    assert "left out, line 5: 'rubbish' is no address or network" in said
    assert "banned_usernames.txt: 2 bans, 2 new" in said
    assert "left out, line 2: '(?=look)ahead' is no pattern" in said
    assert "left out, line 3:" in said
    assert "registrations.json: 2 registrations, 2 new; 1 placeholder left out" in said
    assert "becomes the current shared token" in said
    assert "3kXoldTOKEN" not in said
    assert "p4ss" not in said


async def test_everything_comes_over(tmp_path: Path) -> None:
    await bring_over(tmp_path, lay_out(tmp_path))

    files = BanFiles(tmp_path / "bans")
    files.load()
    assert files.faults == []
    bans = await files.search()
    assert [ban.value for ban in bans] == [
        *("192.0.2.1", "198.51.100.0/24", "2001:db8::/32"),
        *("@yopmail.com", "bad@gmail.com", "sp*m@example.com"),
        *("^admin", "hitler"),
    ]
    assert {(ban.reason, ban.by) for ban in bans} == {("imported", "terminal:operator")}

    alice, bob = await recorded(tmp_path)
    at = datetime(2025, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
    assert (alice.name, alice.email_key, alice.network) == (
        *("alice", "alice@gmail.com"),
        "203.0.113.0/24",
    )
    assert alice.status is bob.status is Status.MAILED
    assert alice.created_at == alice.mailed_at == at
    assert (bob.email, bob.ip, bob.network) == (ROWS[2]["email"], "testclient", "")

    token = await current_token(tmp_path)
    assert token.value == "3kXoldTOKEN"
    assert TokenFile(tmp_path / "token").values() == ("3kXoldTOKEN",)

    config = tmp_path / CONFIG
    assert config.stat().st_mode & 0o777 == 0o600
    brought = load(config)
    assert brought.state == tmp_path / "state"
    assert brought.homeserver.token_file == tmp_path / "old" / ".registration_token"
    database = Database(tmp_path / "state" / "porter.db")
    (entry,) = await database.read(lambda c: audit.search(c))
    await database.close()
    assert (entry.who, entry.action) == ("terminal:operator", "import")
    assert entry.after == "8 bans, 2 registrations, a token"


async def test_a_second_import_finds_nothing_new(tmp_path: Path) -> None:
    old = lay_out(tmp_path)
    await bring_over(tmp_path, old)
    before = {name: content for name, content in tree(tmp_path).items() if "porter.db" not in name}
    again = await plan_for(tmp_path, old)
    assert again.is_empty
    said = "\n".join(again.lines())
    assert "is there already, and is not overwritten" in said
    assert "2 registrations, 0 new" in said
    assert "the desk has a shared token already" in said
    await carry_out(again, OPERATOR)
    after = {name: content for name, content in tree(tmp_path).items() if "porter.db" not in name}
    assert after == before
    assert len(await recorded(tmp_path)) == 2


async def test_an_import_that_was_cut_short_is_finished_by_the_next(tmp_path: Path) -> None:
    old = lay_out(tmp_path, **{"registrations.json": json.dumps(ROWS[:1])})
    await bring_over(tmp_path, old)
    lay_out(tmp_path)
    (tmp_path / "bans" / "usernames.txt").write_text("# emptied by hand\n")
    plan = await plan_for(tmp_path, old)
    assert (plan.new_registrations, len(plan.new_bans)) == (1, 2)
    await carry_out(plan, OPERATOR)
    assert [each.name for each in await recorded(tmp_path)] == ["alice", "bob"]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("registrations.json", '[{"requested_name": "a"', "it is no JSON"),
        ("registrations.json", "", "it is no JSON"),
        ("registrations.json", "{}", "it is no list of registrations"),
        ("registrations.json", "[" * 100_000, "it is no JSON"),
        ("registrations.json", json.dumps([*ROWS, {"email": "x"}]), "entry 4: it has no text"),
        ("registrations.json", json.dumps([ROWS[0] | {"datetime": "soon"}]), "is no time"),
        ("registrations.json", json.dumps([ROWS[0] | {"email": "\ud800"}]), "is not UTF-8"),
        ("registrations.json", b"[\xff\xfe]", "it is not UTF-8 text"),
        ("banned_ips.txt", b"192.0.2.1\n\0\0\0\0", "it holds zero bytes"),
        ("banned_emails.txt", b"\xff\xfe\n", "it is not UTF-8 text"),
        (".registration_token", "tökén", "it is no token"),
        ("config.yaml", "a: [", "it is no YAML"),
        ("config.yaml", "- a", "it is no mapping"),
        ("config.yaml", FLAT.replace("p4ss", "\\ud83d"), "half a character"),
        ("config.yaml", "port: 1", "homeserver: the server's name is missing"),
    ],
)
async def test_one_damaged_file_stops_everything(
    tmp_path: Path, name: str, content: str | bytes, fault: str
) -> None:
    old = lay_out(tmp_path, **{name: content})
    before = tree(tmp_path)
    plan = await plan_for(tmp_path, old)
    assert tree(tmp_path) == before
    assert len(plan.faults) == 1
    assert plan.faults[0].startswith(f"{old / name}: ")
    assert fault in plan.faults[0]


async def test_every_damaged_file_is_named_at_once(tmp_path: Path) -> None:
    old = lay_out(tmp_path, **{"config.yaml": "a: [", "registrations.json": "["})
    assert len((await plan_for(tmp_path, old)).faults) == 2


async def test_a_folder_without_anything_of_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    plan = await plan_for(tmp_path, tmp_path / "empty")
    assert plan.faults == [f"{tmp_path / 'empty'}: no file of the older system is there"]


async def test_before_there_is_a_configuration_the_old_one_comes_alone(tmp_path: Path) -> None:
    plan = await make_plan(lay_out(tmp_path), tmp_path / "config.yaml", None)
    assert "the configuration alone" in "\n".join(plan.lines())
    await carry_out(plan, OPERATOR)
    assert not (tmp_path / "state").exists()
    assert load(tmp_path / CONFIG).state == tmp_path / "state"


async def test_the_newer_layout_is_found_and_preferred(tmp_path: Path) -> None:
    lay_out(tmp_path)
    old = lay_out(
        tmp_path,
        **{
            "sw1tch/config/config.yaml": NESTED,
            "sw1tch/config/banned_ips.txt": "192.0.2.200\n",
            "sw1tch/data/registrations.json": "[]",
            "sw1tch/data/.registration_token": "newer",
            "sw1tch/templates/emails/registration_token.txt": "T: {registration_token}\n",
            "sw1tch/templates/emails/registration_token.html": "<b>{registration_token}</b>",
        },
    )
    plan = await plan_for(tmp_path, old)
    assert plan.files["banned_ips.txt"] == old / "sw1tch/config/banned_ips.txt"
    assert plan.token == "newer"
    assert plan.registrations == []
    assert plan.config is not None
    assert [*plan.config.templates] == ["token.txt", "token.html"]
    assert plan.config.templates["token.txt"] == "T: {{ registration_token }}\n"


async def test_a_token_stays_behind_where_it_could_not_work(tmp_path: Path) -> None:
    old = lay_out(tmp_path, **{".registration_token": "with-dashes_"})
    plan = await plan_for(tmp_path, old)
    assert plan.token is None
    assert "letters and digits only" in plan.token_left_out
    synapse = CONFIGURED.replace(
        '{kind: token_file, url: "http://127.0.0.1:1", token_file: token}',
        '{kind: synapse, url: "http://127.0.0.1:1", admin_token: x}',
    )
    plan = await make_plan(
        lay_out(tmp_path), tmp_path / "config.yaml", parse(synapse, tmp_path, {})
    )
    assert "does not give out a shared token by a token file" in plan.token_left_out


async def test_the_token_of_a_running_desk_is_not_replaced(tmp_path: Path) -> None:
    old = lay_out(tmp_path)
    plan = await plan_for(tmp_path, old)
    database = Database(tmp_path / "state" / "porter.db")
    database.open()
    now = datetime.now(UTC)

    def make(connection: Any) -> None:
        made = tokens.prepare_shared(connection, now, "fresh", now)
        tokens.issued(connection, made.id, made.value, None, now)

    await database.write(make)
    await database.close()
    assert plan.token is not None  # planned before the desk was started
    await carry_out(plan, OPERATOR)
    assert (await current_token(tmp_path)).value == "fresh"
    assert not (tmp_path / "token").exists()


# The configuration


def translated(text: str, folder: Path) -> tuple[NewConfig, Settings]:
    new = translate(text.encode(), folder, token_file=folder / "token")
    return new, parse(new.text, folder, {})


def test_the_flat_layout_is_translated(tmp_path: Path) -> None:
    new, brought = translated(FLAT, tmp_path)
    assert new.notes == []
    assert (brought.server_name, brought.web.port) == ("old.example", 6626)
    assert brought.homeserver.url == "https://old.example"
    assert brought.tokens.rotation == "0 0 * * *"
    assert brought.tokens.downtime.total_seconds() == 1800
    assert brought.registration.email_cooldown.total_seconds() == 3600
    assert not brought.registration.multiple_users_per_email
    assert (brought.smtp.host, brought.smtp.security) == ("smtp.example.com", "starttls")
    assert brought.smtp.password is not None
    assert brought.smtp.password.get_secret_value() == "p4ss: 'word'"
    assert brought.smtp.sender == "desk@old.example"
    assert brought.mail.subject == "Your token for {homeserver}"
    assert "# DECIDE: the kind of homeserver" in new.text


def test_the_nested_layout_is_translated(tmp_path: Path) -> None:
    new, brought = translated(NESTED, tmp_path)
    assert brought.homeserver.url == "https://matrix.old.example"
    assert brought.tokens.rotation == "30 23 * * *"
    assert brought.registration.multiple_users_per_email
    assert (brought.smtp.security, brought.smtp.port) == ("tls", 465)
    assert brought.smtp.sender == "Registration Team <no-reply@old.example>"
    assert brought.bot is None
    assert "MyAdminPassword" not in new.text
    assert len([note for note in new.notes if "cannot be read; ours stands" in note]) == 2


@pytest.mark.parametrize(
    ("written", "cron"),
    [
        ("0", "0 0"),
        ("23", "0 23"),
        ("24", "24 0"),
        ("100", "0 1"),
        ("2330", "30 23"),
        ("0730", "30 7"),  # which YAML takes for 472
        ("0005", "5 0"),
        ('"0930"', "30 9"),
    ],
)
def test_both_readings_of_the_reset_time(tmp_path: Path, written: str, cron: str) -> None:
    text = FLAT.replace("token_reset_time_utc: 0", f"token_reset_time_utc: {written}")
    assert translated(text, tmp_path)[1].tokens.rotation == f"{cron} * * *"


@pytest.mark.parametrize("written", ["2460", "99", "midnight", "-1", "12345"])
def test_a_reset_time_that_is_none_is_to_be_decided(tmp_path: Path, written: str) -> None:
    text = FLAT.replace("token_reset_time_utc: 0", f"token_reset_time_utc: {written}")
    new, brought = translated(text, tmp_path)
    assert any("is no time of day" in note for note in new.notes)
    assert "# DECIDE: when a new token" in new.text
    assert brought.tokens.rotation == "0 0 * * *"


def test_what_was_left_out_has_the_older_systems_meaning(tmp_path: Path) -> None:
    new, brought = translated("homeserver: old.example\nport: many\n", tmp_path)
    assert brought.registration.multiple_users_per_email
    assert not brought.registration.email_cooldown
    assert brought.smtp.security == "starttls"
    assert brought.smtp.sender == "no-reply@old.example"
    assert "# DECIDE: the server that takes our mail" in new.text
    assert new.notes == ["port: 'many' is no number that fits; our default stands"]


@given(st.text(), st.text(), st.text(), st.text())
def test_whatever_stood_there_the_new_file_can_be_read(
    host: str, user: str, password: str, subject: str
) -> None:
    old = {
        "homeserver": "old.example",
        "smtp": {"host": host, "username": user, "password": password},
        "email_subject": subject,
    }
    text = yaml.safe_dump(old, allow_unicode=True).encode()
    new = translate(text, Path("/srv"), token_file=Path("/srv/token"))
    parse(new.text, Path("/srv"), {})


# The mail


def mail_of(body: str, folder: Path) -> str:
    (folder / "token.txt").write_text(translate_body(body)[0])
    composer = Composer(
        server_name="old.example",
        sender="desk@old.example",
        subject="x",
        public_url=None,
        homeserver_url="https://old.example",
        templates=folder,
    )
    mail = composer.token_mail(
        to="a@example.org",
        name="alice",
        token="t0ken",
        now=datetime(2026, 11, 24, 12, tzinfo=UTC),
        expires_at=None,
        message_id="<x@old.example>",
    )
    return str(mail.get_content()).rstrip("\n")


@pytest.mark.parametrize(
    "body",
    [
        "Hello {requested_username}, {registration_token} for {homeserver}",
        "a {{b}} c {{{registration_token}}} {{homeserver}}",
        "{{% if %}} {{# note #}} {{{{x}}}} {{%{registration_token}%}}",
        "style {{ color: red }} {{",
        "{{{{{requested_username}}}}}",
    ],
)
def test_the_mail_has_the_words_that_it_had(tmp_path: Path, body: str) -> None:
    before = body.format(
        requested_username="alice", registration_token="t0ken", homeserver="old.example"
    )
    assert mail_of(body, tmp_path) == before


def test_what_nothing_fills_stands_as_it_is(tmp_path: Path) -> None:
    assert mail_of("Dear {first_name}", tmp_path) == "Dear {first_name}"
    assert "{first_name}" in translate_body("Dear {first_name}")[1][0]
    assert mail_of("lone { brace", tmp_path) == "lone { brace"
    assert "do not pair" in translate_body("lone { brace")[1][0]


# The lists


@given(st.binary())
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for kind in Kind:
        try:
            bans = read_bans(kind, content)
        except Damaged:
            continue
        assert len(bans.values) + len(bans.left_out) <= len(re.split(b"\r|\n", content))
    with pytest.raises(Damaged):
        read_registrations(content + b"{")


def test_a_registration_stands_once_however_often_it_was_written() -> None:
    found, placeholders = read_registrations(json.dumps([*ROWS, *ROWS]).encode())
    assert (len(found), placeholders) == (2, 2)
