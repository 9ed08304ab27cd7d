"""Signed bundles: who has the key is asked for a signature, and nothing that was changed passes."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from pathlib import Path

import pytest

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import MANIFEST, SIGNATURE, Manifest, checksums_of
from growthlab.bundle.signing import SigningKey, sign, signing_key
from growthlab.cli.main import main
from growthlab.core.errors import BundleError, ConfigError

KEY = "k" * 32


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A bundle that was exported where the key is set, which it still is."""
    monkeypatch.setenv("GROWTHLAB_SIGNING_KEY", KEY)
    return Path(request.getfixturevalue("folder"))


def test_the_signature_is_the_hmac_of_the_manifest(signed: Path) -> None:
    message = b"growthlab bundle\0" + (signed / MANIFEST).read_bytes()
    wanted = hmac.new(KEY.encode(), message, hashlib.sha256).hexdigest()
    assert (signed / SIGNATURE).read_text() == wanted + "\n"
    assert Bundle.load(signed).manifest.model == "item_knn"


def test_an_unsigned_bundle_is_refused_where_a_key_is_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not (folder / SIGNATURE).exists()
    monkeypatch.setenv("GROWTHLAB_SIGNING_KEY", KEY)
    with pytest.raises(BundleError, match="is not signed, and a signing key is set here"):
        Bundle.load(folder)


def test_a_bundle_of_another_key_is_refused(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROWTHLAB_SIGNING_KEY", "l" * 32)
    with pytest.raises(BundleError, match="the signing key here did not make"):
        Bundle.load(signed)


def test_a_change_with_recomputed_checksums_is_detected(signed: Path) -> None:
    (signed / "model_card.md").write_text("trust me")
    manifest = Manifest.read(signed)
    replace(manifest, files=checksums_of(signed)).write(signed)
    with pytest.raises(BundleError, match="the signing key here did not make"):
        Bundle.load(signed)


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"0" * 64, b"0" * 10_000])
def test_no_other_content_of_the_signature_passes(signed: Path, content: bytes) -> None:
    (signed / SIGNATURE).write_bytes(content)
    with pytest.raises(BundleError, match="the signing key here did not make"):
        Bundle.load(signed)


def test_without_a_key_a_signed_bundle_loads_too(
    signed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GROWTHLAB_SIGNING_KEY")
    assert not sign(signed)
    Bundle.load(signed)


def test_the_key_may_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "signing.key"
    path.write_text(KEY + "\n")
    monkeypatch.setenv("GROWTHLAB_SIGNING_KEY_FILE", str(path))
    assert signing_key() == SigningKey(KEY.encode())
    assert KEY not in repr(signing_key())


def test_a_key_that_is_too_short_or_missing_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROWTHLAB_SIGNING_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"the signing key file .* cannot be read: No such file"):
        signing_key()
    monkeypatch.setenv("GROWTHLAB_SIGNING_KEY", "short")
    with pytest.raises(ConfigError, match="the signing key has 5 bytes, at least 32 are needed"):
        signing_key()


def test_a_bundle_that_came_without_a_signature_is_vouched_for_by_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sign", f"bundle={folder}"]
    assert main(words) == 2
    assert "there is no signing key here: set GROWTHLAB_SIGNING_KEY" in capsys.readouterr().err
    monkeypatch.setenv("GROWTHLAB_SIGNING_KEY", KEY)
    assert main(words) == 0
    Bundle.load(folder)
    monkeypatch.setenv("GROWTHLAB_SIGNING_KEY", "l" * 32)  # a key that came after it
    assert main(words) == 0
    Bundle.load(folder)
    (folder / SIGNATURE).unlink()
    (folder / "model.npz").write_bytes(b"other")
    assert main(words) == 2
    assert "model.npz is corrupted" in capsys.readouterr().err
    assert not (folder / SIGNATURE).exists()
