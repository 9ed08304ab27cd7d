"""The settings that a search may try, in Hydra's sweep grammar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from growthlab.cli import mistakes
from growthlab.core.errors import ConfigError

if TYPE_CHECKING:
    from optuna import Trial


@dataclass(frozen=True)
class Space:
    """Setting (``model.neighbours``) -> its parsed range."""

    ranges: Mapping[str, Any]

    def suggested(self, trial: Trial) -> dict[str, Any]:
        """A value of each setting for the trial."""
        return {key: _suggested(trial, key, sweep) for key, sweep in self.ranges.items()}


def space_of(search: Any, model: Any) -> Space:
    """The space of a config node: ``choice(...)``, ``range(...)`` or ``interval(...)`` a setting.

    Raises
    ------
    ConfigError
        A setting that the model has not, or a text that is no range.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser, ranges = OverridesParser.create(), {}
    for key, text in _texts(search):
        if not mistakes.knows(model, key):
            raise ConfigError(f"search.{key}: {mistakes.of_no_model(f'model.{key}=', [model])}")
        try:
            parsed = parser.parse_override(f"model.{key}={text}")
        except HydraException as error:
            raise ConfigError(f"search.{key}={text} cannot be read: {_POSSIBLE}") from error
        if not parsed.is_sweep_override():
            raise ConfigError(f"search.{key}={text} is no range: {_POSSIBLE}")
        ranges[f"model.{key}"] = parsed.value()
    return Space(ranges)


_POSSIBLE = "use choice(...), range(...) or interval(...)"


def _texts(search: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Dotted setting and text of each range; a key may hold dots itself."""
    plain: Any = OmegaConf.to_container(search) if OmegaConf.is_config(search) else search
    found = []
    for key, value in plain.items():
        if isinstance(value, dict):
            found += _texts(value, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", str(value)))
    return found


def _suggested(trial: Trial, key: str, sweep: Any) -> Any:
    """A value of the sweep for this trial."""
    from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep

    if isinstance(sweep, ChoiceSweep):
        return _chosen(trial, key, sweep)
    if isinstance(sweep, RangeSweep):
        start, stop, step = (int(x or 0) for x in (sweep.start, sweep.stop, sweep.step))
        return trial.suggest_int(key, start, stop - 1, step=step)
    assert isinstance(sweep, IntervalSweep)
    low, high, logarithmic = sweep.start, sweep.end, "log" in sweep.tags
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(key, low, high, log=logarithmic)
    return trial.suggest_float(key, float(low or 0), float(high or 0), log=logarithmic)


def _chosen(trial: Trial, key: str, sweep: Any) -> Any:
    """One of the listed values; a list among them is asked for by its text."""
    from hydra.core.override_parser.types import QuotedString

    plain = [v.text if isinstance(v, QuotedString) else v for v in sweep.list]
    if not any(isinstance(v, (list, dict)) for v in plain):
        return trial.suggest_categorical(key, plain)
    texts = {str(v): v for v in plain}
    return texts[trial.suggest_categorical(key, list(texts))]
