"""The space of a search from its config, in Hydra's sweep grammar."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from growthlab.config import mistakes
from growthlab.core.errors import ConfigError, quoted
from growthlab.core.plain_values import plain_values
from growthlab.search.search_space import CategoricalRange, Condition, NumericRange, SearchSpace

WHEN = "when"
POSSIBLE = "use choice(...), range(...) or interval(...)"


def space_of(search: Any, model: Any) -> SearchSpace:
    """The space of a config node with ``choice(...)``, ``range(...)`` or ``interval(...)`` a setting.

    Under ``when`` stands which settings are read only with some values of another one.

    The settings of the space are config paths, such as ``model.trainer.lr``.

    Raises
    ------
    ConfigError
        A setting that the model does not have, or a text that is not a range.
    """
    ranges, default = {}, {}
    conditions = _conditions(search, model)
    for key, text in range_texts(search).items():
        if not mistakes.has_setting(model, key):
            raise ConfigError(
                f"search.{key}: {mistakes.unknown_model_setting(f'model.{key}=', [model])}"
            )
        ranges[f"model.{key}"] = _range_of(key, text)
        default[f"model.{key}"] = _own_value(model, key)
    if not ranges:
        raise ConfigError("the search space is empty: search.SETTING=... names a range")
    return SearchSpace(ranges, default, conditions)


def _conditions(search: Any, model: Any) -> dict[str, Condition]:
    """The condition of each setting of the space that has one."""
    searched = range_texts(search)
    return {
        f"model.{key}": condition
        for key, condition in conditions_of(search, model).items()
        if key in searched
    }


def conditions_of(search: Any, model: Any) -> dict[str, Condition]:
    """The condition of each setting under ``when``: ``{asymmetry: {similarity: [asymmetric_cosine]}}``.

    A setting that the model does not have with the parts chosen for it has none.

    Raises
    ------
    ConfigError
        One that the model's settings cannot meet, or of another form.
    """
    conditions = {}
    for key, needed in (plain_values(search).get(WHEN) or {}).items():
        if not mistakes.has_setting(model, str(key)):
            continue
        wrong = f"search.{WHEN}.{key}={quoted(str(needed))}"
        if not isinstance(needed, Mapping) or len(needed) != 1:
            raise ConfigError(f"{wrong}: give the setting that decides, such as {{kind: [a, b]}}")
        ((of, values),) = needed.items()
        if not mistakes.has_setting(model, str(of)):
            raise ConfigError(f"{wrong}: the model has no setting {quoted(str(of))}")
        if not isinstance(values, list):
            raise ConfigError(f"{wrong}: give a list of values of {of}")
        own = _own_value(model, str(of))
        conditions[str(key)] = Condition(f"model.{of}", tuple(values), own)
    return conditions


def _own_value(model: Any, key: str) -> Any:
    """A setting of the model as a plain value."""
    value = OmegaConf.select(model, key)
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def range_texts(search: Any, prefix: str = "") -> dict[str, str]:
    """The text of each range by its dotted path; keys may contain dots, and conditions are left out."""
    plain: Any = OmegaConf.to_container(search) if OmegaConf.is_config(search) else search
    texts: dict[str, str] = {}
    for key, value in plain.items():
        if key == WHEN and not prefix:
            continue
        if isinstance(value, dict):
            texts |= range_texts(value, f"{prefix}{key}.")
        else:
            texts[f"{prefix}{key}"] = str(value)
    return texts


def _range_of(key: str, text: str) -> CategoricalRange | NumericRange:
    """The range for its text."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep
    from hydra.errors import HydraException

    try:
        sweep = OverridesParser.create().parse_override(f"model.{key}={text}").value()
    except HydraException as error:
        raise ConfigError(f"search.{key}={text} cannot be read: {POSSIBLE}") from error
    wrong = f"search.{key}={text}"
    if isinstance(sweep, ChoiceSweep):
        return _choice(sweep, wrong)
    if isinstance(sweep, RangeSweep):
        return _integers(sweep, wrong)
    if isinstance(sweep, IntervalSweep):
        return _interval(sweep, wrong)
    raise ConfigError(f"{wrong} is not a range: {POSSIBLE}")


def _choice(sweep: Any, wrong: str) -> CategoricalRange:
    """The listed values, each once."""
    from hydra.core.override_parser.types import QuotedString

    values = tuple(v.text if isinstance(v, QuotedString) else v for v in sweep.list)
    if any(isinstance(v, dict) for v in values):
        raise ConfigError(f"{wrong}: a value is a number, a string, null or a list")
    return CategoricalRange(tuple(v for i, v in enumerate(values) if v not in values[:i]))


def _integers(sweep: Any, wrong: str) -> NumericRange:
    """The integers of ``range(start, stop, step)``, without `stop`, as in Python."""
    parts = sweep.start or 0, sweep.stop, sweep.step or 1
    if not all(isinstance(part, int) for part in parts):
        raise ConfigError(f"{wrong}: range(...) takes whole numbers, interval(...) any")
    numbers = range(*parts)
    if not numbers or numbers.step < 0:
        raise ConfigError(f"{wrong} is empty: range(start, stop) goes up to stop - 1")
    return NumericRange(numbers[0], numbers[-1], step=numbers.step)


def _interval(sweep: Any, wrong: str) -> NumericRange:
    """Real numbers, or integers where both ends are written as integers."""
    low, high, log = sweep.start, sweep.end, "log" in sweep.tags
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise ConfigError(f"{wrong} is empty: interval(low, high) goes from low up to high")
    if log and low <= 0:
        raise ConfigError(f"{wrong}: on a log scale the lower end must be positive")
    whole = isinstance(low, int) and isinstance(high, int)
    return NumericRange(low, high, step=1 if whole else None, log=log)
