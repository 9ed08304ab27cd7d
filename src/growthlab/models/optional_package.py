"""Packages that single models need, and that are installed by an extra of ours."""

from __future__ import annotations

from importlib.util import find_spec
from typing import ClassVar, Protocol, runtime_checkable

from growthlab.core.errors import ConfigError


@runtime_checkable
class NeedsPackage(Protocol):
    """A model that needs a package beyond the laboratory's, which the extra of ours installs."""

    package: ClassVar[str]
    extra: ClassVar[str]


def why_missing(model: object) -> str:
    """What is to be installed for a model, in one line; empty where nothing is."""
    if not isinstance(model, NeedsPackage) or find_spec(model.package) is not None:
        return ""
    return f"it needs {model.package}: pip install 'growthlab[{model.extra}]'"


def require_package(model: NeedsPackage) -> None:
    """ConfigError where the package of a model is not installed."""
    if why := why_missing(model):
        raise ConfigError(f"{type(model).__name__}: {why}")
