"""What the room keeps survives, is for the owner only, and belongs to one process."""

from pathlib import Path

from bot.room.files import Kept, Lock


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "it.json")
    assert kept.load() == {}
    kept.save({"a": 1})
    kept.save({"a": 2})
    assert Kept(tmp_path / "it.json").load() == {"a": 2}
    assert [file.name for file in tmp_path.iterdir()] == ["it.json"]
    assert (tmp_path / "it.json").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_read_counts_as_absent(tmp_path: Path) -> None:
    file = tmp_path / "it.json"
    for content in (b"", b"{", b"\xff", b"[1]"):
        file.write_bytes(content)
        assert Kept(file).load() == {}


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.take() and first.take()
    assert not second.take()
    first.release()
    first.release()
    assert second.take()
    second.release()
