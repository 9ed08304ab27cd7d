"""What bundles say of the customers of a plan: amounts, probabilities and lists, by the kind of answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from growthlab.bundle.answer_kinds import AnswerKind
from growthlab.bundle.answers import PredictRequest, RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.campaign.offer_values import HEURISTIC, OfferValues
from growthlab.core.errors import ConfigError
from growthlab.core.moments import parse_moment

AT_A_TIME = 20_000
SEPARATOR = "|"


@dataclass(frozen=True)
class BundleAnswers:
    """One bundle a kind of answer, all of the same cutoff."""

    bundles: dict[AnswerKind, Bundle]

    @classmethod
    def load(cls, folders: Sequence[str], first: datetime, stale_days: float) -> BundleAnswers:
        """The bundles of some folders.

        Raises
        ------
        ConfigError
            Two bundles of a kind, of different cutoffs, or older than `stale_days` at the `first` slot.
        """
        bundles: dict[AnswerKind, Bundle] = {}
        cutoffs: dict[str, datetime] = {}
        for folder in folders:
            bundle = Bundle.load(folder)
            kind = bundle.manifest.answer.kind
            if kind in bundles:
                other = bundles[kind].folder
                raise ConfigError(f"bundles: {folder} and {other} both answer with {kind.noun}")
            bundles[kind] = bundle
            known_to = bundle.manifest.state_cutoff or bundle.manifest.cutoff
            if known_to is not None:
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
        return cls(bundles)

    @property
    def versions(self) -> str:
        """Model and version of each bundle."""
        return "; ".join(
            f"{b.manifest.task}/{b.manifest.model} {b.manifest.version}"
            for b in self.bundles.values()
        )

    def values(self, customers: list[str], n_channels: int, n_offers: int) -> OfferValues:
        """The amount expected of each customer, the same for all offers: a heuristic.

        The probability, that a customer buys nothing, says who would take a discount: all the others.
        """
        if AnswerKind.AMOUNT not in self.bundles:
            raise ConfigError(
                "a plan needs values: a table of values, or a bundle that answers with an amount "
                "in bundles"
            )
        shape = (len(customers), n_channels * n_offers)
        amount = np.maximum(self._numbers(AnswerKind.AMOUNT, customers), 0)
        buys = np.ones(len(customers))
        if AnswerKind.PROBABILITY in self.bundles:
            buys = 1 - self._numbers(AnswerKind.PROBABILITY, customers)
        everywhere, by_all = (np.broadcast_to(n[:, None], shape) for n in (amount, buys))
        return OfferValues(HEURISTIC, everywhere, by_all, self.versions)

    def items(self, customers: list[str], k: int) -> list[str] | None:
        """The list of each customer, ids joined by ``|``; None without a bundle of lists."""
        if AnswerKind.LIST not in self.bundles:
            return None
        bundle, lists = self.bundles[AnswerKind.LIST], []
        for start in range(0, len(customers), AT_A_TIME):
            block = customers[start : start + AT_A_TIME]
            answers = bundle.recommend([RecommendRequest(user_id=c) for c in block], k)
            lists += [SEPARATOR.join(item.item for item in answer.items) for answer in answers]
        return lists

    def _numbers(self, kind: AnswerKind, customers: list[str]) -> np.ndarray:
        bundle, numbers = self.bundles[kind], []
        for start in range(0, len(customers), AT_A_TIME):
            block = customers[start : start + AT_A_TIME]
            numbers += [p.value for p in bundle.predict([PredictRequest(user_id=c) for c in block])]
        return np.array(numbers, dtype=np.float64)
