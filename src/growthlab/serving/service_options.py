"""The settings of a service: its bundles, its rules, its log and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.plain_types import argument_types, type_mismatch
from growthlab.ranking.rules import Rules

LEAST: Mapping[str, float] = {
    "port": 0,
    "reload_seconds": 0.05,
    "self_test_seconds": 1,
    "self_test_mb": 256,
    "log_mb": 1,
    "log_files": 1,
    "max_body_mb": 1,
    "max_in_flight": 1,
    "max_wait_ms": 1,
    "max_connections": 1,
    "request_seconds": 0.1,
}


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """The settings of ``conf/serve.yaml``, which says what each is for.

    Raises
    ------
    ConfigError
        A value of a wrong type or out of range.
    """

    bundle: str
    host: str = "127.0.0.1"
    port: int = 8000
    insecure: bool = False
    shadow: str | None = None
    challenger: str | None = None
    challenger_share: float = 0.0
    challenger_salt: str = "growthlab"
    explore: float = 0.0
    personalised: bool = True
    filter_seen: Literal["none", "purchased", "interacted"] | None = None
    rules: Mapping[str, Any] = field(default_factory=dict)
    reload_seconds: float = 5.0
    self_test_seconds: float = 30.0
    self_test_mb: int = 8192
    log: str | None = None
    log_mb: int = 100
    log_files: int = 10
    max_body_mb: int = 4
    max_in_flight: int = 64
    max_wait_ms: float = 100.0
    max_connections: int = 1000
    request_seconds: float = 10.0

    def __post_init__(self) -> None:
        for name, annotation in argument_types(ServiceOptions).items():
            if wrong := type_mismatch(getattr(self, name), annotation):
                raise ConfigError(f"{name} must be {wrong}, got {getattr(self, name)!r}")
        for name, least in LEAST.items():
            if not getattr(self, name) >= least:
                raise ConfigError(f"{name} must be at least {least:g}, got {getattr(self, name)!r}")
        if not 0 <= self.challenger_share <= 1:
            raise ConfigError(
                f"challenger_share must lie in 0 ... 1, got {self.challenger_share!r}: it is the "
                "share of the users whom the challenger answers"
            )
        if self.challenger_share and self.challenger is None:
            raise ConfigError("challenger_share needs a challenger: add challenger=FOLDER")
        if not 0 <= self.explore <= 0.5:
            raise ConfigError(
                f"explore must lie in 0 ... 0.5, got {self.explore!r}: it is the share of the positions "
                "that show an item from below the list"
            )
        if self.explore and self.log is None:
            raise ConfigError(
                "explore needs the request log, which has the propensities: add log=FILE"
            )
        if self.shadow is not None and self.log is None:
            raise ConfigError("a shadow's answers go to the request log only: add log=FILE")
        Rules.of(self.rules)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> ServiceOptions:
        """The options of a config; ConfigError for an unknown name, and without a bundle."""
        known = [f.name for f in fields(cls)]
        for name in settings:
            if name not in known:
                raise ConfigError(f"unknown setting {name}: {near_matches(name, known)}")
        if not settings.get("bundle"):
            raise ConfigError("bundle is required: add bundle=...")
        return cls(**settings)
