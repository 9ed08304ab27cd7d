"""The contracts of models, and the optional abilities that a model may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
import pandas as pd

from growthlab.core.histories import Histories
from growthlab.features.examples import Examples
from growthlab.scorers.base import RowScorer, Scorer
from growthlab.training.fit_options import FitOptions
from growthlab.training.learned_state import LearnedState


@runtime_checkable
class Recommender(Protocol):
    """Predicts what a customer will want. `stochastic`: another seed gives another model."""

    stochastic: ClassVar[bool]

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Learn from the histories before the cutoff."""
        ...

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Scores of all items, or of the codes `items`; shape ``(n_users, n_items)``, float32.

        An all-NaN row: cannot score this user. ``-inf``: cannot score this item. All else is finite.
        Seen items are scored like all others: masking and top-k are not the model's task. The caller
        may change the array.
        """
        ...


@runtime_checkable
class Exportable(Protocol):
    """A model that can leave the laboratory."""

    def scorer(self) -> Any:
        """The fitted model as a bundle carries it; ExportError where this one cannot be exported."""
        ...


@runtime_checkable
class ContinuesFit(Protocol):
    """A model whose fit can go on from an earlier one (`FitOptions.warm`)."""

    def learned_state(self, past: Histories) -> LearnedState:
        """What a later fit goes on from; `past` is what was fitted."""
        ...


@runtime_checkable
class SaysReadsEvents(Protocol):
    """A model that says whether it reads what customers did; others need only a table of features."""

    @property
    def reads_events(self) -> bool:
        """Whether it does."""
        ...


@runtime_checkable
class SaysPersonalised(Protocol):
    """A recommender that says whether its scores depend on the customer; others are assumed to."""

    @property
    def personalised(self) -> bool:
        """Whether they do."""
        ...


@runtime_checkable
class SaysStochastic(Protocol):
    """A model that says whether another seed gives another model."""

    @property
    def stochastic(self) -> bool:
        """Whether it does."""
        ...


@runtime_checkable
class RecordsLosses(Protocol):
    """A fitted model with the loss of each epoch."""

    @property
    def losses_(self) -> list[float]:
        """The losses."""
        ...


@runtime_checkable
class TrainsNetwork(Protocol):
    """A model whose fit leaves a torch module."""

    @property
    def network_(self) -> Any:
        """The module."""
        ...


class Patience(Protocol):
    """A trainer that tolerates `patience` epochs without improvement."""

    @property
    def patience(self) -> int:
        """How many epochs."""
        ...


@runtime_checkable
class TrainedInEpochs(Protocol):
    """A model that is trained in epochs, and stopped early on a validation window."""

    @property
    def trainer(self) -> Patience:
        """Its trainer."""
        ...


@runtime_checkable
class MadeOfModels(Protocol):
    """A model that is made of others, by functions that make them."""

    @property
    def members(self) -> Mapping[str, Callable[[], Any]]:
        """The functions by name."""
        ...


def trains_network(model: Any) -> bool:
    """Whether the model, or one that it is made of, is trained in epochs, on a device that can be chosen."""
    if isinstance(model, MadeOfModels):
        return any(trains_network(make()) for make in model.members.values())
    return isinstance(model, TrainedInEpochs)


class ScoredRecommender:
    """A recommender whose fit leaves a `Scorer` in ``scorer_``, which scores and is exported."""

    stochastic: ClassVar[bool] = False
    scorer_: Scorer

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """The scorer's scores; see `Recommender.score`."""
        return self.scorer_.score(histories, items)

    def scorer(self) -> Scorer:
        """The fitted model as a bundle carries it."""
        return self.scorer_


@runtime_checkable
class Estimator(Protocol):
    """Predicts whether customers leave (probability of churn) or what they are worth (value)."""

    @property
    def stochastic(self) -> bool:
        """Whether another seed gives another model."""
        ...

    def fit(self, examples: Examples, options: FitOptions) -> Self:
        """Learn from labelled examples at earlier snapshots, or without labels from `Examples.present`."""
        ...

    def predict(self, examples: Examples) -> np.ndarray:
        """One finite number an example, ``(n,)``: P(no purchase in the horizon), or expected value."""
        ...


@runtime_checkable
class Tabled(Protocol):
    """A model whose fit leaves tables to look at."""

    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables by name, which are logged to the run as Parquet.

        The rows of one named ``parameters`` (model, parameter, value, standard_error) are metrics of
        the run too: ``fitted/<model>/<parameter>``, and the same with ``/standard_error``.
        """
        ...


class ScoredEstimator:
    """An estimator whose fit leaves a `RowScorer` in ``scorer_``, which predicts and is exported."""

    stochastic: ClassVar[bool] = False
    scorer_: RowScorer

    def predict(self, examples: Examples) -> np.ndarray:
        """The scorer's predictions; see `Estimator.predict`."""
        columns = self.scorer_.columns
        return self.scorer_.predict({c: examples.column(c).to_numpy() for c in columns})

    def scorer(self) -> RowScorer:
        """The fitted model as a bundle carries it."""
        return self.scorer_
