"""Which settings a search tries next: TPE over a known space, and nothing twice."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from growthlab.core.seeding import stream
from growthlab.search.search_space import Space, key_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

ATTEMPTS = 30
RANDOM_SHARE, LEAST_RANDOM, MOST_RANDOM = 3, 4, 10  # trials before TPE has something to learn from


class Fresh(BaseSampler):
    """Settings of a space that are not among those `tried`.

    Tree-structured Parzen estimators: Bergstra et al., "Algorithms for Hyper-Parameter
    Optimization", NeurIPS 2011; the first settings are drawn at random. Each trial has a random
    stream of its own, so that a search that was cut off goes on as it would have.
    """

    def __init__(self, space: Space, tried: Collection[str], seed: int, n_trials: int) -> None:
        self._space, self._tried, self._seed = space, tried, seed
        self._n_random = min(MOST_RANDOM, max(LEAST_RANDOM, n_trials // RANDOM_SHARE))
        self._distributions = space.distributions()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """All ranges but those of one value; none for a trial whose settings are given."""
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
            seed = int(stream(self._seed, "search", trial.number, attempt).integers(2**31))
            chance = RandomSampler(seed=seed)
            tpe = TPESampler(seed=seed, n_startup_trials=self._n_random)
            found = tpe.sample_relative(study, trial, search_space) or {
                name: chance.sample_independent(study, trial, name, distribution)
                for name, distribution in search_space.items()
            }
            if key_of(self._space.settings(found)) not in self._tried:
                return found
        return self._left(trial, search_space) or found

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Not asked for: all settings are sampled together."""
        raise NotImplementedError(param_name)

    def _left(
        self, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any] | None:
        """One of the settings that are left of a space without continuous ranges."""
        if self._space.n_settings is None:
            return None
        left = [s for s in self._space.all_settings() if key_of(s) not in self._tried]
        if not left:
            return None
        place = int(stream(self._seed, "left", trial.number).integers(len(left)))
        params = self._space.encoded(left[place])
        return {name: params[name] for name in search_space}
