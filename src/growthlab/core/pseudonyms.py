"""Keyed pseudonyms, which replace raw customer ids in everything that leaves the laboratory."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from growthlab.core.errors import ConfigError

KEY_VARIABLE = "GROWTHLAB_PSEUDONYM_KEY"
KEY_FILE_VARIABLE = "GROWTHLAB_KEY_FILE"
SHORTEST_KEY = 32  # bytes: the output size of SHA-256, below which HMAC loses strength (RFC 2104)
NAMES_IN_DATA = "user"  # the namespace of the pseudonyms under which a data set knows its customers
PSEUDONYM, PLAIN = "pseudonym", "plain"
NAMES_OF_CUSTOMERS = (PSEUDONYM, PLAIN)  # what may stand for the raw ids in a data set
DIGITS = 32  # hex digits kept of 64: 128 bits, far from any collision among customers


@dataclass(frozen=True)
class PseudonymKey:
    """A secret that turns raw ids into pseudonyms by HMAC-SHA256: without it no id can be guessed.

    The same id and key give the same pseudonym, another namespace another one. Pseudonymised data
    remain personal data (GDPR Art. 4(5), PIPL Art. 73). The secret is never printed.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < SHORTEST_KEY:
            raise ConfigError(
                f"the pseudonym key has {len(self.secret)} bytes, at least {SHORTEST_KEY} are "
                "needed: make one with `python -c 'import secrets; print(secrets.token_hex(32))'`"
            )

    @property
    def fingerprint(self) -> str:
        """16 hex digits that distinguish keys and reveal nothing about them."""
        return hmac_hex(self.secret, b"growthlab key fingerprint")[:16]

    def pseudonym(self, namespace: str, raw_id: str) -> str:
        """The first 32 hex digits (128 bits) of the HMAC of `namespace`, a zero byte and the id."""
        return hmac_hex(self.secret, f"{namespace}\0{raw_id}".encode())[:DIGITS]

    def pseudonyms(self, namespace: str, raw_ids: Iterable[str]) -> np.ndarray:
        """The pseudonym of each raw id, shape ``(n,)``, str."""
        return np.array([self.pseudonym(namespace, str(i)) for i in raw_ids], dtype=f"<U{DIGITS}")


def hmac_hex(secret: bytes, message: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) as 64 hex digits."""
    return hmac.digest(secret, message, hashlib.sha256).hex()


def find_key() -> PseudonymKey | None:
    """The key of this machine: ``GROWTHLAB_PSEUDONYM_KEY``, else the key file's; None without both.

    Raises
    ------
    ConfigError
        The key is too short, or the key file cannot be read.
    """
    if secret := os.environ.get(KEY_VARIABLE):
        return PseudonymKey(secret.encode())
    path = key_file()
    try:
        return PseudonymKey(path.read_bytes().strip())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"the key file {path} cannot be read: {error.strerror}") from error


def find_or_create_key() -> PseudonymKey:
    """The key of this machine; a new key file, readable by its owner alone, where there is none."""
    existing = find_key()
    if existing is not None:
        return existing
    _create(key_file())
    created = find_key()
    assert created is not None
    return created


def key_file() -> Path:
    """The path of the key file: ``GROWTHLAB_KEY_FILE``, else in the user's configuration folder."""
    named = os.environ.get(KEY_FILE_VARIABLE)
    return Path(named) if named else Path.home() / ".config" / "growthlab" / "pseudonym.key"


def _create(path: Path) -> None:
    """Create a key at `path` in one step; a key that another process created first is kept."""
    new = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(SHORTEST_KEY) + "\n")
        try:
            os.link(new, path)  # unlike a rename, never replaces
        except FileExistsError:
            pass
        finally:
            new.unlink()
    except OSError as error:
        raise ConfigError(
            f"no pseudonym key can be written to {path} ({error.strerror}): "
            f"set {KEY_VARIABLE}, or name a writable file with {KEY_FILE_VARIABLE}"
        ) from error
