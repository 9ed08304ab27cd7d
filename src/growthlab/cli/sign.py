"""growthlab sign: sign a bundle that was exported without the signing key, or with an older one."""

from __future__ import annotations

from pathlib import Path

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Manifest
from growthlab.bundle.signing import KEY_FILE_VARIABLE, KEY_VARIABLE, sign
from growthlab.config.compose import Command
from growthlab.core.errors import ConfigError


def run(command: Command) -> int:
    """Check the bundle's checksums and sign it."""
    folder = Path(str(command.config.bundle))
    Manifest.read(folder).verify(folder)
    if not sign(folder):
        raise ConfigError(
            f"there is no signing key here: set {KEY_VARIABLE} or {KEY_FILE_VARIABLE}"
        )
    Bundle.load(folder)
    print(f"{folder} is signed")
    return 0
