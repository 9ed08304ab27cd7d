"""An MLflow client of which no call is broken off by a signal; imports MLflow."""

from __future__ import annotations

from typing import Any

from mlflow import MlflowClient

from growthlab.core.interrupts import uninterrupted

LONG_CALLS = ("download_artifacts",)  # these may be broken off: they change nothing in the store


class UninterruptedClient(MlflowClient):
    """A client whose calls keep a signal until they are done.

    A call that was broken off would keep the lock of a sqlite store, for which the next one waits.
    """

    def __getattribute__(self, name: str) -> Any:
        """The attribute of that name; a public method is run within `uninterrupted`."""
        value = super().__getattribute__(name)
        if name.startswith("_") or name in LONG_CALLS or not callable(value):
            return value
        return uninterrupted()(value)
