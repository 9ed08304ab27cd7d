"""Pseudonyms: known answer, key rules, and the key file."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from growthlab.core.errors import ConfigError
from growthlab.core.pseudonyms import PseudonymKey, find_key, find_or_create_key, hmac_hex

KEY = PseudonymKey(b"0123456789abcdef0123456789abcdef")


@pytest.fixture
def key_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "deep" / "pseudonym.key"
    monkeypatch.delenv("GROWTHLAB_PSEUDONYM_KEY", raising=False)
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", str(path))
    return path


def test_hmac_of_the_known_message_is_the_known_value() -> None:
    message = b"The quick brown fox jumps over the lazy dog"  # Wikipedia's example of an HMAC
    known = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    assert hmac_hex(b"key", message) == known


def test_same_id_and_key_give_the_same_pseudonym() -> None:
    assert KEY.pseudonym("shop", "anna") == KEY.pseudonym("shop", "anna")
    assert KEY.pseudonyms("shop", ["anna"])[0] == KEY.pseudonym("shop", "anna")
    assert len(KEY.pseudonym("shop", "anna")) == 32


def test_another_namespace_key_or_id_gives_another_pseudonym() -> None:
    other = PseudonymKey(b"another key of thirty-two bytes!")
    names = {
        KEY.pseudonym("shop", "anna"),
        KEY.pseudonym("shopa", "nna"),  # the border between namespace and id counts
        KEY.pseudonym("shop", "bert"),
        other.pseudonym("shop", "anna"),
    }
    assert len(names) == 4
    assert other.fingerprint != KEY.fingerprint


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="has 3 bytes, at least 32 are needed"):
        PseudonymKey(b"key")


def test_the_secret_is_not_printed() -> None:
    assert "0123456789abcdef" not in repr(KEY)


def test_the_environment_comes_before_the_file(
    key_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_key() is None
    from_file = find_or_create_key()
    monkeypatch.setenv("GROWTHLAB_PSEUDONYM_KEY", KEY.secret.decode())
    assert find_key() == KEY
    assert from_file != KEY


def test_the_key_file_is_created_once_and_for_its_owner_alone(key_path: Path) -> None:
    first = find_or_create_key()
    assert stat.S_IMODE(key_path.stat().st_mode) == 0o600
    assert find_or_create_key() == first
    assert [p.name for p in key_path.parent.iterdir()] == [key_path.name]


def test_processes_that_create_the_key_at_once_agree(key_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: find_or_create_key(), range(8)))
    assert len(set(keys)) == 1


def test_a_key_file_that_cannot_be_reached_is_one_clear_line(
    tmp_path: Path, key_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", str(tmp_path / "file" / "key"))
    with pytest.raises(ConfigError, match=r"key file .* cannot be read"):
        find_or_create_key()
