"""What bundles say of the customers of a plan: amounts, probabilities, effects and lists, by kind."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import pandas as pd

from growthlab.bundle.answer_kinds import AnswerKind
from growthlab.bundle.answers import (
    Features,
    Prediction,
    PredictRequest,
    Recommendation,
    RecommendRequest,
)
from growthlab.bundle.bundle import Bundle
from growthlab.campaign.offer_values import HEURISTIC, OfferValues
from growthlab.core.errors import ConfigError
from growthlab.core.moments import parse_moment

AT_A_TIME = 20_000
SEPARATOR = "|"
UNKNOWN_CUSTOMER = "population_fallback"


class CustomerNumbers(NamedTuple):
    """A bundle's number of each customer, and how many it does not know and answered with its mean."""

    values: np.ndarray
    n_unknown: int


@dataclass(frozen=True)
class ArmEffect:
    """What one `arm` changes, by a bundle of this arm's effect or of several arms."""

    bundle: Bundle
    arm: str

    @property
    def average(self) -> float:
        """The effect on a customer of whom nothing is known."""
        return self._effect(self.bundle.predict([PredictRequest()])[0])

    def numbers(self, customers: list[str], features: pd.DataFrame) -> CustomerNumbers:
        """The effect on each customer."""
        return _numbers_of(self.bundle, customers, features, self._effect)

    def _effect(self, answer: Prediction) -> float:
        return answer.value if answer.choice is None else answer.choice.effects[self.arm]


@dataclass(frozen=True)
class BundleAnswers:
    """One bundle a kind of answer, and the effects of arms; bundles that keep a past keep the same."""

    bundles: Mapping[AnswerKind, Bundle]
    effects: Mapping[str, ArmEffect] = field(default_factory=dict)

    @classmethod
    def load(cls, folders: Sequence[str]) -> BundleAnswers:
        """The bundles of some folders.

        Raises
        ------
        BundleError, ConfigError
            No bundle, two bundles of a kind or of an arm, or an effect of an arm that is not named.
        """
        bundles: dict[AnswerKind, Bundle] = {}
        effects: dict[str, ArmEffect] = {}
        for folder in folders:
            _add(Bundle.load(folder), folder, bundles, effects)
        return cls(bundles, effects)

    def require_current(
        self, first: datetime, stale_days: float, given: Collection[str] = ()
    ) -> None:
        """ConfigError for bundles of different cutoffs, or older than `stale_days` at the `first` slot.

        A bundle that reads nothing but features that are `given` does not read its own past, and may be
        of any age.
        """
        cutoffs: dict[str, datetime] = {}
        for bundle in self._all:
            known_to = bundle.manifest.state_cutoff or bundle.manifest.cutoff
            if known_to is not None and not _reads_only(bundle, given):
                folder = str(bundle.folder)
                cutoffs[folder] = parse_moment(known_to, f"cutoff of {folder}")
        for folder, cutoff in cutoffs.items():
            if first - cutoff > timedelta(days=stale_days):
                raise ConfigError(
                    f"bundles: {folder} knows events up to {cutoff}, {(first - cutoff).days} days before "
                    f"the first slot (stale_days={stale_days:g}): refresh it"
                )
        if len(set(cutoffs.values())) > 1:
            named = ", ".join(f"{folder} up to {cutoff}" for folder, cutoff in cutoffs.items())
            raise ConfigError(f"bundles know different pasts: {named}: refresh them together")

    @property
    def versions(self) -> str:
        """Model and version of each bundle."""
        return "; ".join(map(version_of, self._all))

    @property
    def _all(self) -> list[Bundle]:
        """Each bundle once, also where it says what several arms change."""
        effects = {id(each.bundle): each.bundle for each in self.effects.values()}
        return [*self.bundles.values(), *effects.values()]

    def values(
        self, customers: list[str], n_channels: int, n_offers: int, features: pd.DataFrame
    ) -> OfferValues:
        """The amount expected of each customer, the same for all offers: a heuristic.

        The probability, that a customer buys nothing, says who would take a discount: all the others.
        """
        if AnswerKind.AMOUNT not in self.bundles:
            raise ConfigError(
                "a plan needs values: a table of values, or in bundles one that answers with an "
                "amount, or effects of the arms of offers"
            )
        shape = (len(customers), n_channels * n_offers)
        amount, _ = self.numbers(AnswerKind.AMOUNT, customers, features)
        buys = self.buys(customers, features)
        everywhere, by_all = (
            np.broadcast_to(n[:, None], shape) for n in (np.maximum(amount, 0), buys)
        )
        return OfferValues(HEURISTIC, everywhere, by_all, self.versions)

    def buys(self, customers: list[str], features: pd.DataFrame) -> np.ndarray:
        """The probability that a customer buys without a message; 1 where no bundle says it."""
        if AnswerKind.PROBABILITY not in self.bundles:
            return np.ones(len(customers))
        leaves, _ = self.numbers(AnswerKind.PROBABILITY, customers, features)
        return 1 - leaves

    def items(self, customers: list[str], k: int) -> list[str] | None:
        """The list of each customer, ids joined by ``|``; None without a bundle of lists."""
        lists = self.lists(customers, k)
        if lists is None:
            return None
        return [SEPARATOR.join(item.item for item in answer.items) for answer in lists]

    def lists(self, customers: list[str], k: int) -> list[Recommendation] | None:
        """The list of each customer; None without a bundle of lists."""
        bundle = self.bundles.get(AnswerKind.LIST)
        if bundle is None:
            return None
        lists: list[Recommendation] = []
        for start in range(0, len(customers), AT_A_TIME):
            block = customers[start : start + AT_A_TIME]
            lists += bundle.recommend([RecommendRequest(user_id=c) for c in block], k)
        return lists

    def numbers(
        self, kind: AnswerKind, customers: list[str], features: pd.DataFrame
    ) -> CustomerNumbers:
        """The number of each customer by the bundle of a kind."""
        return _numbers_of(self.bundles[kind], customers, features, attrgetter("value"))


def _numbers_of(
    bundle: Bundle,
    customers: list[str],
    features: pd.DataFrame,
    number: Callable[[Prediction], float],
) -> CustomerNumbers:
    """The number of each customer, from `features` where these hold all that the bundle reads.

    Otherwise from what the bundle knows of the customer.
    """
    given = _features(bundle, features)
    values, n_unknown = np.empty(len(customers)), 0
    for start in range(0, len(customers), AT_A_TIME):
        block = customers[start : start + AT_A_TIME]
        rows = [None] * len(block) if given is None else given[start : start + AT_A_TIME]
        requests = [PredictRequest(user_id=c, features=f) for c, f in zip(block, rows, strict=True)]
        answers = bundle.predict(requests)
        values[start : start + AT_A_TIME] = [number(answer) for answer in answers]
        n_unknown += sum(answer.served == UNKNOWN_CUSTOMER for answer in answers)
    return CustomerNumbers(values, n_unknown)


def version_of(bundle: Bundle) -> str:
    """Model and version."""
    manifest = bundle.manifest
    return f"{manifest.task}/{manifest.model} {manifest.version}"


def _add(
    bundle: Bundle, folder: str, bundles: dict[AnswerKind, Bundle], effects: dict[str, ArmEffect]
) -> None:
    kind = bundle.manifest.answer.kind
    if kind in (AnswerKind.EFFECT, AnswerKind.ARM):
        for arm in _arms(bundle, folder):
            if arm in effects:
                earlier = effects[arm].bundle.folder
                raise ConfigError(f"bundles: {folder} and {earlier} both say what {arm} changes")
            effects[arm] = ArmEffect(bundle, arm)
        return
    if kind in bundles:
        raise ConfigError(
            f"bundles: {folder} and {bundles[kind].folder} both answer with {kind.noun}"
        )
    bundles[kind] = bundle


def _arms(bundle: Bundle, folder: str) -> list[str]:
    """The arms whose effects a bundle knows."""
    choice = bundle.predict([PredictRequest()])[0].choice
    arms = [bundle.manifest.answer.arm] if choice is None else list(choice.effects)
    if not all((*arms, bundle.manifest.answer.outcome)):
        raise ConfigError(
            f"bundles: {folder} does not say whose effect it is, or on what: export it again"
        )
    return arms


def _reads_only(bundle: Bundle, given: Collection[str]) -> bool:
    """Whether all that a bundle reads of a customer is given."""
    if bundle.predictor is None:
        return False
    columns = set(bundle.predictor.scorer.columns)
    return bool(columns) and columns <= set(given)


def _features(bundle: Bundle, features: pd.DataFrame) -> list[Features] | None:
    """The features of each customer; None where the bundle knows them itself."""
    if not _reads_only(bundle, features.columns):
        return None
    assert bundle.predictor is not None
    own = features[list(bundle.predictor.scorer.columns)].astype(object)
    rows = own.where(own.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]
