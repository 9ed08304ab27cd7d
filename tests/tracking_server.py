"""A whole tracking server for tests, of the parts that ``make server`` starts where no engine runs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from deploy.server_parts import TrackingServer


@contextmanager
def tracking_server(outbox: Path) -> Iterator[TrackingServer]:
    """A server on free ports, with its passwords in the environment; outboxes are in `outbox`.

    Its folder is one that PostgreSQL may enter, which does not run as root.
    """
    folder = Path(tempfile.mkdtemp(prefix="growthlab-server-"))
    folder.chmod(0o711)
    server = TrackingServer(folder, port=0, s3_port=0, workers=1, durable=False)
    with pytest.MonkeyPatch.context() as patch:
        try:
            server.start()
            for name, text in server.client_environment.items():
                patch.setenv(name, text)
            patch.delenv("MLFLOW_TRACKING_URI")
            patch.setenv("GROWTHLAB_OUTBOX", str(outbox))
            yield server
        finally:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)
