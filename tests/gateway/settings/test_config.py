"""The configuration says everything that is wrong with it, at once, and never a secret."""

from datetime import timedelta

import pytest

from gateway.rules.limits import Limit
from gateway.settings.config import ConfigError, load, parse

WHOLE = """
server_name: example.org
state: state
bans: bans
homeserver: {kind: synapse, url: "http://127.0.0.1:8008", admin_token: hush}
tokens: {mode: per_applicant, valid_for: 3d}
registration: {limits: {network: 5 per 10m}}
smtp: {host: mail.example.org, from: desk@example.org}
bot: {user: "@porter:example.org", password: hush, room: "!room"}
"""


def faults(text, folder, environment=None):
    with pytest.raises(ConfigError) as caught:
        parse(text, folder, environment or {})
    return caught.value.faults


def test_a_whole_one_is_read(tmp_path):
    (tmp_path / "config.yaml").write_text(WHOLE)
    settings = load(tmp_path / "config.yaml")
    assert settings.state == tmp_path / "state"
    assert settings.tokens.valid_for == timedelta(days=3)
    assert settings.registration.limits.network == (Limit(5, timedelta(minutes=10)),)
    assert "hush" not in repr(settings)


def test_every_fault_is_told_with_its_path(tmp_path):
    text = WHOLE.replace("valid_for: 3d", "valid_for: soon, speed: fast").replace(
        "host: mail.example.org, ", "port: 99999, "
    )
    told = faults(text, tmp_path)
    assert {fault.partition(":")[0] for fault in told} == {
        "tokens.valid_for",
        "tokens.speed",
        "smtp.host",
        "smtp.port",
    }
    assert any("'soon'" in fault for fault in told)


def test_a_secret_is_read_from_its_file_and_the_environment_wins(tmp_path):
    (tmp_path / "key").write_text("from the file\n")
    text = WHOLE.replace("admin_token: hush", "admin_token_file: key")
    token = parse(text, tmp_path, {}).homeserver.admin_token
    assert token is not None
    assert token.get_secret_value() == "from the file"
    token = parse(text, tmp_path, {"PORTER_HOMESERVER_ADMIN_TOKEN": "env"}).homeserver.admin_token
    assert token is not None
    assert token.get_secret_value() == "env"


def test_an_empty_variable_is_no_secret(tmp_path):
    assert faults(WHOLE, tmp_path, {"PORTER_BOT_PASSWORD": " "}) == [
        "bot.password: PORTER_BOT_PASSWORD is empty; unset it, or fill it"
    ]


def test_a_missing_secret_file_is_told_beside_the_other_faults(tmp_path):
    text = WHOLE.replace("admin_token: hush", "admin_token_file: nowhere") + "colour: red\n"
    told = faults(text, tmp_path)
    assert any(fault.startswith("homeserver.admin_token_file") for fault in told)
    assert any(fault.startswith("colour: unknown key") for fault in told)


def test_no_fault_prints_a_secret(tmp_path):
    text = WHOLE.replace("password: hush", "password: 731731, access_token: 991991")
    told = "\n".join(faults(text, tmp_path))
    assert "731731" not in told
    assert "991991" not in told
    assert "bot" in told


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "just words"])
def test_what_is_no_mapping_is_refused_in_one_sentence(text, tmp_path):
    assert len(faults(text, tmp_path)) == 1


def test_downtime_and_overlap_exclude_each_other(tmp_path):
    text = WHOLE.replace("valid_for: 3d", "downtime: 1h, overlap: 1h")
    assert "exclude each other" in faults(text, tmp_path)[0]


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("0 0 30 2 *", "must be a time that comes: no year has a day for '0 0 30 2 *'"),
        ("0 0 31 4,6,9,11 *", "must be a time that comes"),
        ("R 4 * * *", "must be fixed times"),
        ("0 R(2-5) * * fri", "must be fixed times"),
        ("every monday", "must be five cron fields"),
        ("@daily", "must be five cron fields"),
        ("61 0 * * *", "must be five cron fields"),
    ],
)
def test_a_rotation_that_cannot_come_is_refused(tmp_path, cron, told):
    text = WHOLE.replace(
        "tokens: {mode: per_applicant, valid_for: 3d}",
        f"tokens: {{mode: shared, rotation: '{cron}'}}",
    )
    [fault] = faults(text, tmp_path)
    assert fault.startswith("tokens.rotation: ")
    assert told in fault


@pytest.mark.parametrize("cron", ["0 0 29 2 *", "30 23 * mar,apr fri", "0 0 L * *", "0 0 30 2 1"])
def test_a_rare_rotation_is_accepted(tmp_path, cron):
    text = WHOLE.replace(
        "tokens: {mode: per_applicant, valid_for: 3d}",
        f"tokens: {{mode: shared, rotation: '{cron}'}}",
    )
    assert parse(text, tmp_path, {}).tokens.rotation == cron


@pytest.mark.parametrize(
    ("written", "size"), [("500MiB", 500 * 2**20), ("2 GiB", 2**31), ("0B", 0), ("1KiB", 1024)]
)
def test_a_size_is_read(tmp_path, written, size):
    assert parse(f"{WHOLE}alerts: {{disk: {written}}}\n", tmp_path, {}).alerts.disk == size


@pytest.mark.parametrize("written", ["500MB", "plenty", "500", "-1MiB", "1.5GiB"])
def test_what_is_no_size_is_refused_with_an_example(tmp_path, written):
    [fault] = faults(f"{WHOLE}alerts: {{disk: {written}}}\n", tmp_path)
    assert fault.startswith("alerts.disk: must be a size such as 500MiB or 2GiB")


@pytest.mark.parametrize(
    ("written", "server"),
    [("127.0.0.53:53", ("127.0.0.53", 53)), ("[::1]:5353", ("::1", 5353)), ("null", None)],
)
def test_a_name_server_is_read(tmp_path, written, server):
    text = f"{WHOLE}addresses: {{resolver: {written!r}}}\n".replace("'null'", "null")
    assert parse(text, tmp_path, {}).addresses.resolver == server


@pytest.mark.parametrize(
    "written",
    ["ns.example.org:53", "127.0.0.1", "::1:53", "1.2.3.400:53", "1.2.3.4:0", "[::1]:99999"],
)
def test_what_is_no_name_server_is_refused_with_an_example(tmp_path, written):
    [fault] = faults(f"{WHOLE}addresses: {{resolver: '{written}'}}\n", tmp_path)
    assert fault.startswith("addresses.resolver: must be an IP address and a port, such as ")


def test_domains_are_read_as_addresses_are_compared_with_them(tmp_path):
    text = f"{WHOLE}addresses: {{only_domains: [Bücher.Example, SCHOOL.example.]}}\n"
    expected = {"xn--bcher-kva.example", "school.example"}
    assert parse(text, tmp_path, {}).addresses.only_domains == expected


MAS = "kind: mas, auth_url: 'https://auth.example.org/mas/', client_id: c, client_secret: hush"


def test_an_authentication_service_needs_an_address_and_a_client(tmp_path):
    whole = WHOLE.replace("kind: synapse", MAS).replace(", admin_token: hush", "")
    settings = parse(whole, tmp_path, {})
    assert (settings.homeserver.way, settings.shares_token) == ("client_id", False)
    assert "hush" not in repr(settings)
    for missing in ("auth_url: 'https://auth.example.org/mas/', ", ", client_secret: hush"):
        (told,) = faults(whole.replace(missing, ""), tmp_path)
        key = missing.strip(" ,").partition(":")[0]
        assert told == f"homeserver: kind mas needs {key}; example-config.yaml shows how"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("kind: mas", "kind mas needs client_id and auth_url and client_secret"),
        ("kind: mas, client_secret: hush", "kind mas needs client_id and auth_url"),
        ("kind: conduwuit, static_token: hush", "kind conduwuit does not use static_token"),
        ("kind: conduwuit, static_token: hush", "kind conduwuit needs token_file"),
    ],
)
def test_what_a_kind_lacks_and_does_not_use_is_told_at_once(tmp_path, written, told):
    text = WHOLE.replace("kind: synapse", written).replace(", admin_token: hush", "")
    (fault,) = faults(text, tmp_path)
    assert told in fault and "hush" not in fault


@pytest.mark.parametrize("nothing", ["''", "' '"])
def test_a_secret_that_is_empty_is_refused(tmp_path, nothing):
    text = WHOLE.replace("admin_token: hush", f"admin_token: {nothing}")
    assert faults(text, tmp_path) == [
        "homeserver.admin_token: is empty; put the secret there, or take it out"
    ]


@pytest.mark.parametrize("wrong", ["https://a:hush@auth.example.org", "https://x/?a=b", "auth.x"])
def test_an_address_with_more_than_a_place_in_it_is_refused(tmp_path, wrong):
    text = WHOLE.replace("kind: synapse", MAS).replace("https://auth.example.org/mas/", wrong)
    (told,) = faults(text.replace(", admin_token: hush", ""), tmp_path)
    assert told.startswith("homeserver.auth_url") and "hush" not in told
