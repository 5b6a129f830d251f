"""The keys: made once, believed after a rotation, and of no use to anybody else."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.store.keyring import Keyring

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    keyring = Keyring(tmp_path / "keys")
    keyring.open(NOW)
    return keyring


def test_what_was_signed_is_known_again_after_a_restart(tmp_path: Path, keyring: Keyring) -> None:
    signature = keyring.sign("link", "12")
    again = Keyring(tmp_path / "keys")
    again.open(NOW)
    assert again.is_signed("link", "12", signature)
    assert not again.is_signed("link", "13", signature)
    assert not again.is_signed("form", "12", signature)
    assert not again.is_signed("link", "12", signature[:-1])
    assert not again.is_signed("link", "12", "ä" * 32)


def test_the_file_is_its_owners_alone(tmp_path: Path, keyring: Keyring) -> None:
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


def test_a_rotation_reaches_another_process_and_forgets_nothing(
    tmp_path: Path, keyring: Keyring
) -> None:
    other = Keyring(tmp_path / "keys")
    other.open(NOW)
    signature, (known,) = keyring.sign("link", "12"), keyring.pseudonyms("ann@example.org")
    other.rotate(NOW)
    assert keyring.sign("link", "12") != signature
    assert keyring.is_signed("link", "12", signature)
    newest, oldest = keyring.pseudonyms("ann@example.org")
    assert oldest == known != newest


def test_old_keys_can_be_dropped(keyring: Keyring) -> None:
    signature = keyring.sign("link", "12")
    keyring.rotate(NOW, drop_old=True)
    assert not keyring.is_signed("link", "12", signature)
    assert len(keyring.pseudonyms("ann@example.org")) == 1


@pytest.mark.parametrize("content", ["", "2026-11-25\n", "2026-11-25 abcd\n", "x y\n"])
def test_a_file_without_keys_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys").write_text(content)
    with pytest.raises(ValueError, match="holds no keys"):
        Keyring(tmp_path / "keys").open(NOW)
    assert (tmp_path / "keys").read_text() == content


def test_a_pseudonym_stands_for_itself(keyring: Keyring) -> None:
    """Also for whoever finds one where an address used to stand."""
    (known,) = keyring.pseudonyms("ann@example.org")
    keyring.rotate(NOW)
    assert keyring.pseudonyms(known) == (known,)
    assert len(keyring.pseudonyms("#ann@example.org")) == 2
