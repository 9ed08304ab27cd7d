"""The settings that a search tries next: TPE over a known space, never the same settings twice."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from growthlab.core.seeding import random_stream
from growthlab.search.search_space import SearchSpace, settings_key

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

ATTEMPTS = 30  # to propose settings that were not tried
MIN_RANDOM_TRIALS, MAX_RANDOM_TRIALS = 4, 10  # drawn at random before TPE: a third of all trials


class UntriedSampler(BaseSampler):
    """Proposes settings of a space that are not among those `tried`.

    Tree-structured Parzen estimators: Bergstra et al., "Algorithms for Hyper-Parameter
    Optimization", NeurIPS 2011; the first settings are drawn at random. Each `place` of a trial, its
    number without interrupted ones, has its own random stream, so that an interrupted search proposes
    what it would have proposed.
    """

    def __init__(
        self, space: SearchSpace, tried: Collection[str], seed: int, n_trials: int, place: int
    ) -> None:
        self._space, self._tried, self._seed, self._place = space, tried, seed, place
        self._n_random = min(MAX_RANDOM_TRIALS, max(MIN_RANDOM_TRIALS, n_trials // 3))
        self._distributions = space.distributions()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """All ranges with more than one value; none for a trial whose settings are fixed."""
        if "fixed_params" in trial.system_attrs:
            return {}
        return {n: d for n, d in self._distributions.items() if not d.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Settings for the trial, not tried before."""
        if not search_space:
            return {}
        for attempt in range(ATTEMPTS):
            seed = int(random_stream(self._seed, "search", self._place, attempt).integers(2**31))
            chance = RandomSampler(seed=seed)
            tpe = TPESampler(seed=seed, n_startup_trials=self._n_random)
            params = tpe.sample_relative(study, trial, search_space) or {
                name: chance.sample_independent(study, trial, name, distribution)
                for name, distribution in search_space.items()
            }
            if settings_key(self._space.settings(params)) not in self._tried:
                return params
        return self._untried(search_space) or params

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Never called: all settings are sampled together."""
        raise NotImplementedError(param_name)

    def _untried(self, search_space: dict[str, BaseDistribution]) -> dict[str, Any] | None:
        """Untried settings of a space without continuous ranges, drawn at random; None if there are none."""
        if self._space.n_settings is None:
            return None
        untried = [s for s in self._space.all_settings() if settings_key(s) not in self._tried]
        if not untried:
            return None
        position = int(random_stream(self._seed, "left", self._place).integers(len(untried)))
        params = self._space.encoded(untried[position])
        return {name: params[name] for name in search_space}
