"""growthlab serve: the HTTP service of one bundle, or of a folder of bundles."""

from __future__ import annotations

from pathlib import Path

from growthlab.cli.compose import Composed
from growthlab.serving.run import serve


def run(found: Composed) -> int:
    """Serve until interrupted, which is the way to end it."""
    try:
        serve(Path(str(found.config.bundle)), str(found.config.host), found.config.port)
    except KeyboardInterrupt:
        return 0
    return 0
