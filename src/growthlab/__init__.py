"""growthlab: one customer timeline, three questions: what will they want, will they leave, their worth."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from growthlab.api.customer_functions import describe, portrait, segment
    from growthlab.api.effect_functions import ab, ope
    from growthlab.api.handover import export, load, promote
    from growthlab.api.model_functions import compare, train, tune
    from growthlab.api.own_data import dataset, read, read_customers
    from growthlab.data.event_log import EventLog

__version__ = "0.1.0"
__all__ = [
    "EventLog",
    "ab",
    "compare",
    "dataset",
    "describe",
    "export",
    "load",
    "ope",
    "portrait",
    "promote",
    "read",
    "read_customers",
    "segment",
    "train",
    "tune",
]

# imported when first asked for: the plain install serves without the laboratory
HOMES = {
    "growthlab.api.customer_functions": ("describe", "portrait", "segment"),
    "growthlab.api.effect_functions": ("ab", "ope"),
    "growthlab.api.handover": ("export", "load", "promote"),
    "growthlab.api.model_functions": ("compare", "train", "tune"),
    "growthlab.api.own_data": ("dataset", "read", "read_customers"),
    "growthlab.data.event_log": ("EventLog",),
}


def __getattr__(name: str) -> Any:
    """What `__all__` names, from its module."""
    home = next((module for module, names in HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module growthlab has no attribute {name}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    """What there is, for completion in a notebook."""
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """A package whose function `export` stays one when its room of that name is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
