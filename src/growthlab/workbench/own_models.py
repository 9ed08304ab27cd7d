"""Models that Python code hands over: estimators as they are, recommenders by what they can do."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any

from growthlab.core.contract import members_of, types_named_in
from growthlab.core.errors import ConfigError
from growthlab.core.library_estimators import (
    LIBRARY_KINDS,
    SklearnEstimator,
    is_of_kind,
    kinds_in_words,
)
from growthlab.tasks.base import Task
from growthlab.tasks.entry import Contender

Models = str | Sequence[Any] | Mapping[str, Any] | Any
PLAIN = (str, int, float, bool, type(None))


def split_models(models: Models) -> tuple[list[str] | str, dict[str, Any]]:
    """The models that are yaml names, and the others by a name of their own.

    `models` is ``all``, a name, a model, a list of both, or a mapping of names to models.

    Raises
    ------
    ConfigError
        Two of them have one name.
    """
    if isinstance(models, str):
        return (models if models == "all" else [models]), {}
    if isinstance(models, Mapping):
        return [], {str(name): model for name, model in models.items()}
    listed = list(models) if isinstance(models, (list, tuple)) else [models]
    names = [model for model in listed if isinstance(model, str)]
    own: dict[str, Any] = {}
    for model in listed:
        if isinstance(model, str):
            continue
        name = model.__name__ if inspect.isclass(model) else type(model).__name__
        if name in own or name in names:
            raise ConfigError(f"two models are called {name}: give a mapping of names to models")
        own[name] = model
    return names, own


def own_contenders(models: Mapping[str, Any], task: Task) -> list[Contender]:
    """The models as contenders: each a function or class that makes one, or an unfitted one to copy.

    Raises
    ------
    ConfigError
        One that the task cannot fit and evaluate; the line says what it lacks.
    """
    return [_contender(name, model, task) for name, model in models.items()]


def _contender(name: str, model: Any, task: Task) -> Contender:
    if isinstance(model, str):
        raise ConfigError(f"{name}: {model!r} is a name: give names in a list, models in a mapping")
    make = model if _is_factory(model) else lambda: copy.deepcopy(model)
    made = _checked(make(), name, task)
    return Contender(name, lambda: _checked(make(), name, task), _settings(made))


def _is_factory(model: Any) -> bool:
    return inspect.isclass(model) or (callable(model) and not hasattr(model, "fit"))


def _checked(model: Any, name: str, task: Task) -> Any:
    """The model, if the task can use it."""
    kinds = types_named_in(task.model_type)
    ours = [kind for kind in kinds if kind not in LIBRARY_KINDS]
    if isinstance(model, SklearnEstimator):
        if is_of_kind(model, kinds):
            return model
    else:
        if not hasattr(model, "stochastic"):
            with suppress(AttributeError, TypeError):
                model.stochastic = False
        if any(not _lacks(model, kind) for kind in ours):
            return model
    lacking = {kind.__name__: ", ".join(_lacks(model, kind)) for kind in ours}
    lacks = [f"to be a {name} it lacks {what}" for name, what in lacking.items() if what]
    library = kinds_in_words(kinds)
    other = [f"{library} can"] if library else []
    raise ConfigError(f"{name} cannot answer task={task.name}: {'; '.join([*lacks, *other])}")


def _lacks(model: Any, kind: type) -> list[str]:
    """What a model lacks of a contract: members that are missing, and methods that take other arguments."""
    missing = []
    for member in sorted(members_of(kind)):
        contract = getattr(kind, member, None)
        if not hasattr(model, member):
            missing.append(f"{member}{_arguments(contract)}")
        elif inspect.isfunction(contract) and not _takes(getattr(model, member), contract):
            missing.append(f"{member} with the arguments {_arguments(contract)}")
    return missing


def _arguments(method: Any) -> str:
    """The arguments of a method as they are written, such as ``(past, options)``."""
    if not inspect.isfunction(method):
        return ""
    parameters = list(inspect.signature(method).parameters.values())[1:]
    return f"({', '.join(str(p.replace(annotation=p.empty)) for p in parameters)})"


def _takes(method: Callable[..., Any], contract: Callable[..., Any]) -> bool:
    """Whether a method can be called with the arguments of the contract's, all and the required ones."""
    expected = list(inspect.signature(contract).parameters.values())[1:]
    required = [p.name for p in expected if p.default is p.empty]
    try:
        signature = inspect.signature(method)
        signature.bind(*required)
        signature.bind(*(p.name for p in expected))
    except TypeError:
        return False
    except ValueError:  # of a function in C nothing is known
        return True
    return True


def _settings(model: Any) -> dict[str, Any]:
    """The settings of a model for the log: those that are plain values."""
    if isinstance(model, SklearnEstimator):
        settings = model.get_params()
    elif is_dataclass(model) and not isinstance(model, type):
        settings = {f.name: getattr(model, f.name, None) for f in fields(model)}
    else:
        settings = {n: v for n, v in getattr(model, "__dict__", {}).items() if n[:1] != "_"}
    target = f"{type(model).__module__}.{type(model).__qualname__}"
    plain = {name: value for name, value in settings.items() if isinstance(value, PLAIN)}
    return {"_target_": target, **plain}
