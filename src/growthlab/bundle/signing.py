"""Signatures: proof that a holder of the signing key released a bundle, beyond its checksums."""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, field
from pathlib import Path

from growthlab.bundle.bundle_files import LARGEST_JSON, open_file, read_file
from growthlab.bundle.manifest import MANIFEST, SIGNATURE
from growthlab.core.atomic_write import atomic_file
from growthlab.core.errors import BundleError, ConfigError
from growthlab.core.pseudonyms import SHORTEST_KEY, hmac_hex

KEY_VARIABLE = "GROWTHLAB_SIGNING_KEY"
KEY_FILE_VARIABLE = "GROWTHLAB_SIGNING_KEY_FILE"
LARGEST_SIGNATURE = 200  # bytes


@dataclass(frozen=True)
class SigningKey:
    """A secret shared by those who release bundles and those who serve them; never printed."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < SHORTEST_KEY:
            raise ConfigError(
                f"the signing key has {len(self.secret)} bytes, at least {SHORTEST_KEY} are "
                "needed: make one with `python -c 'import secrets; print(secrets.token_hex(32))'`"
            )

    def signature(self, manifest: bytes) -> str:
        """HMAC-SHA256 (RFC 2104) of a manifest's bytes, 64 hex digits.

        The manifest holds the checksum of every other file, so its signature covers the whole bundle.
        """
        return hmac_hex(self.secret, b"growthlab bundle\0" + manifest)


def signing_key() -> SigningKey | None:
    """The key in ``GROWTHLAB_SIGNING_KEY``, else in the file named by ``GROWTHLAB_SIGNING_KEY_FILE``.

    None where neither is set: then nothing is signed, and no signature is required.

    Raises
    ------
    ConfigError
        The key is too short, or its file cannot be read.
    """
    if secret := os.environ.get(KEY_VARIABLE):
        return SigningKey(secret.encode())
    key_file = os.environ.get(KEY_FILE_VARIABLE)
    if not key_file:
        return None
    try:
        return SigningKey(Path(key_file).read_bytes().strip())
    except OSError as error:
        raise ConfigError(
            f"the signing key file {key_file} cannot be read: {error.strerror}"
        ) from error


def sign(folder: Path) -> bool:
    """Sign the bundle in `folder` with the configured key; False where there is none."""
    key = signing_key()
    if key is None:
        return False
    with atomic_file(folder / SIGNATURE) as file:
        file.write(f"{key.signature((folder / MANIFEST).read_bytes())}\n".encode())
    return True


def is_signed(folder: Path) -> bool:
    """Whether the bundle carries a signature, right or wrong."""
    return (folder / SIGNATURE).is_file()


def check_signature(folder: Path) -> None:
    """Refuse the bundle in `folder` unless the configured key signed it; without a key, accept it.

    Raises
    ------
    BundleError
        A key is configured, and the bundle has no signature or one of another key or manifest.
    """
    key = signing_key()
    if key is None:
        return
    if not is_signed(folder):
        raise BundleError(
            f"{folder} is not signed, and a signing key is set here: export it with "
            f"{KEY_VARIABLE} set, or vouch for it with growthlab sign bundle={folder}"
        )
    try:
        with open_file(folder / SIGNATURE) as file:
            signature = file.read(LARGEST_SIGNATURE).strip()
        expected = key.signature(read_file(folder / MANIFEST, LARGEST_JSON)).encode()
    except OSError as error:
        raise BundleError(f"{error.filename} cannot be read: {error.strerror}") from error
    if not hmac.compare_digest(signature, expected):
        raise BundleError(
            f"{folder} carries a signature that the signing key here did not make: the bundle was "
            "changed, or signed with another key; fetch or export it again"
        )
