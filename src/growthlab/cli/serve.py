"""growthlab serve: the HTTP service of one bundle, or of a folder of bundles."""

from __future__ import annotations

from pathlib import Path

from growthlab.cli.compose import Composed
from growthlab.serving.run import serve


def run(found: Composed) -> int:
    """Serve until interrupted."""
    serve(Path(found.config.bundle), found.config.host, int(found.config.port))
    return 0
