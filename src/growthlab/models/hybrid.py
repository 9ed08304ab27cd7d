"""The base of models made of models: factories of members, and a scorer that holds theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from growthlab.core.errors import ConfigError, ExportError, one_line
from growthlab.core.histories import Histories
from growthlab.models.base import Exportable, Recommender, SaysPersonalised
from growthlab.scorers.base import Scorer
from growthlab.scorers.fusion import HybridMembers


@dataclass(kw_only=True, eq=False)
class Hybrid:
    """Members by name, each a factory of unfitted models, since members are fitted more than once.

    ``fit`` leaves a scorer in ``scorer_`` whose members are the fitted models; on export they are
    replaced by their scorers. `stochastic` if a member is.
    """

    members: Mapping[str, Callable[[], Recommender]]
    stochastic: bool = field(init=False, default=False)
    personalised: bool = field(init=False, default=True)
    scorer_: Any = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        models = self.models()
        self.stochastic = any(m.stochastic for m in models)
        self.personalised = any(
            not isinstance(m, SaysPersonalised) or m.personalised for m in models
        )

    def models(self) -> list[Recommender]:
        """One unfitted model of each member.

        Raises
        ------
        ConfigError
            There are fewer than two, or one has a wrong setting or is not a recommender.
        """
        if len(self.members) < 2:
            names = ", ".join(self.members) or "none"
            raise ConfigError(f"model.members must name two models or more, got {names}")
        return [_new_model(name, factory) for name, factory in self.members.items()]

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """The scorer's scores; see `Recommender.score`."""
        scores: np.ndarray = self.scorer_.score(histories, items)
        return scores

    def scorer(self) -> Scorer:
        """The fitted model as a bundle carries it.

        Raises
        ------
        ExportError
            A member cannot be exported.
        """
        return replace(self.scorer_, members=HybridMembers(self._scorers()))

    def _scorers(self) -> dict[str, Scorer]:
        """The scorer of each member."""
        scorers = {}
        for name, member in self.scorer_.members.by_name.items():
            if not isinstance(member, Exportable):
                raise ExportError(f"its member {name} ({type(member).__name__}) has no scorer()")
            try:
                scorers[name] = member.scorer()
            except ExportError as error:
                raise ExportError(f"its member {name}: {error}") from error
        return scorers


def _new_model(name: str, factory: Callable[[], Recommender]) -> Recommender:
    """An unfitted model; errors in its settings name the member."""
    try:
        model = factory()
    except (ValueError, TypeError) as error:
        raise ConfigError(f"model.members.{name}: {one_line(error)}") from error
    if not isinstance(model, Recommender):
        raise ConfigError(f"model.members.{name}: {type(model).__name__} is no recommender")
    return model
