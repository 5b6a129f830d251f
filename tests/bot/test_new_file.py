"""A new file is whole or not there."""

from pathlib import Path

import pytest

from bot.new_file import new_file


def test_a_file_is_its_owners_alone_and_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with new_file(path) as stream:
        stream.write(b"all of it")
        assert not path.exists()
    assert path.read_text() == "all of it"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError, match="nothing is overwritten"), new_file(path):
        pass
    with pytest.raises(RuntimeError), new_file(tmp_path / "half.csv"):
        raise RuntimeError
    assert [each.name for each in tmp_path.iterdir()] == ["out.csv"]
