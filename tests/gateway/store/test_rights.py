"""What lies in the state folder is its owner's alone, but for what others have to read."""

from pathlib import Path

import pytest

from gateway.store.rights import tighten, too_open


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder as a careless umask or a restored archive leaves it."""
    state = tmp_path / "state"
    (state / "bot" / "store").mkdir(parents=True)
    for name in ("porter.db", "porter.db-wal", "keys", "gateway.lock", "bot/store/session.db"):
        (state / name).write_text("x")
        (state / name).chmod(0o644)
    for folder in (state, state / "bot", state / "bot/store"):
        folder.chmod(0o755)
    return state


def test_all_of_it_is_closed_to_others_once(state: Path) -> None:
    assert len(tighten(state, ())) == 8
    assert {mode(each) for each in state.rglob("*") if each.is_file()} == {0o600}
    assert {mode(each) for each in (state, state / "bot", state / "bot/store")} == {0o700}
    assert tighten(state, ()) == []


def test_what_others_have_to_read_stays_open_and_can_be_reached(state: Path) -> None:
    token, bans = state / "token" / "registration_token", state / "bans" / "ips.txt"
    for path in (token, bans):
        path.parent.mkdir(mode=0o755)
        path.write_text("x")
        path.chmod(0o644)
    closed = tighten(state, (token, token.parent, bans.parent))
    assert state / "keys" in closed
    assert [mode(each) for each in (token, token.parent, bans, state)] == [
        *(0o644, 0o755),
        *(0o644, 0o755),
    ]


def test_a_token_file_among_the_desks_own_stays_open_alone(state: Path) -> None:
    token = state / "registration_token"
    token.write_text("x")
    token.chmod(0o644)
    tighten(state, (token, state))
    assert (mode(token), mode(state / "porter.db"), mode(state)) == (0o644, 0o600, 0o755)


def test_a_link_is_not_followed(state: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("x")
    elsewhere.chmod(0o644)
    (state / "link").symlink_to(elsewhere)
    tighten(state, ())
    assert mode(elsewhere) == 0o644


def test_what_belongs_to_somebody_else_is_said(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(ValueError, match="state is open to others and belongs to another user"):
        tighten(state, ())


def test_without_a_folder_there_is_nothing_to_close(tmp_path: Path) -> None:
    assert [*too_open(tmp_path / "none", ())] == []
    assert [*tmp_path.iterdir()] == []
