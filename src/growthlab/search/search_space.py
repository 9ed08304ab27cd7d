"""The space of a search: a range of values for each setting of a model."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

BORDER_SHARE = 0.01  # of a continuous range, at either end


@dataclass(frozen=True)
class CategoricalRange:
    """The listed values: numbers, strings, booleans, null, or lists."""

    values: tuple[Any, ...]

    @property
    def n_values(self) -> int:
        """The number of values."""
        return len(self.values)

    @property
    def first(self) -> Any:
        """The first value."""
        return self.values[0]

    def contains(self, value: Any) -> bool:
        """Whether it is one of the values; true is not 1."""
        return any(_same(value, v) for v in self.values)

    def at_border(self, value: Any) -> bool:
        """Whether it is the smallest or largest of three or more numbers; strings have no order."""
        numbers = [v for v in self.values if _is_number(v)]
        if len(numbers) != len(self.values) or len(numbers) < 3:
            return False
        return value in (min(numbers), max(numbers))

    def distribution(self) -> BaseDistribution:
        """The range for Optuna, which stores a list as text."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution([self.encoded(v) for v in self.values])

    def encoded(self, value: Any) -> Any:
        """The value as Optuna stores it."""
        return json.dumps(value) if isinstance(value, (list, tuple)) else value

    def decoded(self, value: Any) -> Any:
        """The value for what Optuna stores."""
        return next(v for v in self.values if _same(self.encoded(v), value))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)


@dataclass(frozen=True)
class NumericRange:
    """Numbers from `low` to `high`, both included; with a `step`, integers only."""

    low: float
    high: float
    step: int | None = None
    log: bool = False

    @property
    def n_values(self) -> int | None:
        """The number of integers; None for a continuous range."""
        if self.low == self.high:
            return 1
        return None if self.step is None else int((self.high - self.low) // self.step) + 1

    @property
    def first(self) -> float:
        """The lowest."""
        return self.low

    def contains(self, value: Any) -> bool:
        """Whether it is a number of the range."""
        if not _is_number(value) or not self.low <= value <= self.high:
            return False
        return self.step is None or (value - self.low) % self.step == 0

    def at_border(self, value: Any) -> bool:
        """Whether it is an end of the range, or in a range of 100 values or more within 1 % of one."""
        if self.low == self.high:
            return False
        if self.n_values is not None and self.n_values < 1 / BORDER_SHARE:
            return value in (self.low, self.high)
        scale = math.log if self.log else float
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return not BORDER_SHARE < share < 1 - BORDER_SHARE

    def distribution(self) -> BaseDistribution:
        """The range for Optuna."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.step is None:
            return FloatDistribution(self.low, self.high, log=self.log)
        return IntDistribution(int(self.low), int(self.high), log=self.log, step=self.step)

    def encoded(self, value: Any) -> Any:
        """The value itself."""
        return value

    def decoded(self, value: Any) -> Any:
        """The value itself."""
        return value

    def __iter__(self) -> Iterator[Any]:
        assert self.step is not None, "a continuous range cannot be listed"
        return iter(range(int(self.low), int(self.high) + 1, self.step))


@dataclass(frozen=True)
class Condition:
    """A setting is read only where another one, `of`, has one of `values`; `own` is the model's own value."""

    of: str
    values: tuple[Any, ...]
    own: Any

    def holds(self, settings: Mapping[str, Any]) -> bool:
        """Whether it does with these settings."""
        value = settings.get(self.of, self.own)
        return any(_same(value, each) for each in self.values)


@dataclass(frozen=True)
class SearchSpace:
    """Setting (``model.neighbours``) -> its range.

    `default` are the values of these settings in the model's own config; they may be outside. A setting
    whose condition does not hold is no part of a trial: the model would not read it.
    """

    ranges: Mapping[str, CategoricalRange | NumericRange]
    default: Mapping[str, Any]
    conditions: Mapping[str, Condition] = field(default_factory=dict)

    @property
    def n_settings(self) -> int | None:
        """The number of different settings; None where some range is continuous."""
        sizes = {key: r.n_values for key, r in self.ranges.items()}
        if None in sizes.values():
            return None
        deciding = [key for key in self.ranges if key in {c.of for c in self.conditions.values()}]
        return sum(
            math.prod(sizes[k] or 0 for k in self.active(chosen) if k not in deciding)
            for chosen in self._combinations(deciding)
            if set(chosen) <= set(self.active(chosen))
        )

    def active(self, settings: Mapping[str, Any]) -> list[str]:
        """The settings of the space that the model reads with these settings."""
        return [
            key
            for key in self.ranges
            if key not in self.conditions or self.conditions[key].holds(settings)
        ]

    def _combinations(self, keys: Sequence[str]) -> Iterator[dict[str, Any]]:
        for values in product(*(self.ranges[key] for key in keys)):
            yield dict(zip(keys, values, strict=True))

    @property
    def contains_default(self) -> bool:
        """Whether the model's own settings are in the space."""
        return all(
            self.ranges[key].contains(self.default[key]) for key in self.active(self.default)
        )

    def distributions(self) -> dict[str, BaseDistribution]:
        """The ranges for Optuna."""
        return {key: r.distribution() for key, r in self.ranges.items()}

    def encoded(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings as Optuna stores them, which wants a value of the range for all of them."""
        return {
            key: r.encoded(settings[key] if r.contains(settings.get(key)) else r.first)
            for key, r in self.ranges.items()
        }

    def settings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The settings for what Optuna stores, without those that the model would not read.

        A range of one value may be missing from `params`.
        """
        values = {
            key: r.decoded(params[key]) if key in params else r.first
            for key, r in self.ranges.items()
        }
        return {key: values[key] for key in self.active(values)}

    def outside(self, settings: Mapping[str, Any]) -> list[str]:
        """The names of settings that the space does not have, or whose value is outside its range."""
        return [
            key
            for key, value in settings.items()
            if key not in self.ranges or not self.ranges[key].contains(value)
        ]

    def borders(self, settings: Mapping[str, Any]) -> list[str]:
        """The names of settings on a border of their range; a value outside its range is on none."""
        values = {**self.default, **settings}
        inside = {k: values[k] for k in self.active(values) if self.ranges[k].contains(values[k])}
        return [key for key, value in inside.items() if self.ranges[key].at_border(value)]

    def all_settings(self) -> Iterator[dict[str, Any]]:
        """Every combination; the space must not have continuous ranges."""
        seen: set[str] = set()
        for values in self._combinations(list(self.ranges)):
            settings = {key: values[key] for key in self.active(values)}
            if settings_key(settings) not in seen:
                seen.add(settings_key(settings))
                yield settings


def settings_key(settings: Mapping[str, Any]) -> str:
    """A text that is equal for equal settings."""
    return json.dumps(dict(settings), sort_keys=True)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same; ``True`` is not 1."""
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    if _is_number(one) and _is_number(other):
        return bool(one == other)
    return type(one) is type(other) and bool(one == other)
