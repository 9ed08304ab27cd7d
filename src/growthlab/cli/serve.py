"""growthlab serve: the HTTP service of one bundle, or of a folder of bundles."""

from __future__ import annotations

from omegaconf import OmegaConf

from growthlab.config.compose import Command
from growthlab.serving.run import serve
from growthlab.serving.service_options import ServiceOptions


def run(command: Command) -> int:
    """Serve until interrupted."""
    settings = OmegaConf.to_container(command.config)
    assert isinstance(settings, dict)
    try:
        serve(ServiceOptions.of({str(name): value for name, value in settings.items()}))
    except KeyboardInterrupt:
        return 0
    return 0
