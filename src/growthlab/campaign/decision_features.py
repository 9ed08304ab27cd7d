"""What is known of each customer at the moment of decision: own columns, contacts, recommendations.

The same columns are written beside a plan, from which effects are learned, and read by the bundles of the
next plan, so that a model sees in use what it has seen in learning.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from growthlab.bundle.answer_kinds import AnswerKind
from growthlab.bundle.answers import Recommendation
from growthlab.campaign.bundle_answers import BundleAnswers
from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.core.errors import DataError
from growthlab.core.histories import UNKNOWN, Catalogue

RECENT_DAYS = (7, 30)
RESPONSE_DAYS = 90
OF_CONTACTS = (
    *(f"contacts_{days}_days" for days in RECENT_DAYS), "days_since_contact",
    f"responses_{RESPONSE_DAYS}_days",
)  # fmt: skip
OF_LISTS = ("top_category", "best_score", "list_entropy")
RESERVED = (
    "arm",
    "arm_probability",
    "decided_at",
)  # columns of the plan, beside which features stand
LISTED = 10  # items whose scores give the entropy


def feature_names(tables: CampaignTables, answers: BundleAnswers) -> list[str]:
    """The columns of `decision_features`.

    Raises
    ------
    DataError
        A column of the customers has the name of one that the plan writes.
    """
    own = tables.features.columns.tolist()
    for name in own:
        if name in (*OF_CONTACTS, *OF_LISTS, *RESERVED):
            raise DataError(f"customers: the column {name} is written by the plan: rename it")
    return [*own, *OF_CONTACTS, *(OF_LISTS if AnswerKind.LIST in answers.bundles else ())]


def decision_features(tables: CampaignTables, answers: BundleAnswers) -> pd.DataFrame:
    """A row a customer, in the order of their table."""
    columns = {name: tables.features[name] for name in tables.features}
    frame = pd.DataFrame(columns, index=range(len(tables.customers)))
    frame = frame.join(contact_features(tables))
    customers = tables.customers["customer"].tolist()
    lists = answers.lists(customers, LISTED)
    if lists is None:
        return frame
    maker = answers.bundles[AnswerKind.LIST].list_maker
    assert maker is not None
    return frame.join(list_features(lists, maker.catalogue))


def contact_features(tables: CampaignTables) -> pd.DataFrame:
    """Contacts of the days before the first planned day, and how many of them had a response.

    ``days_since_contact`` is NaN without any contact, and responses are NaN where the table of
    contacts does not say them.
    """
    n = len(tables.customers)
    days = tables.days_before_plan()
    place = pd.Index(tables.customers["customer"]).get_indexer(
        pd.Index(tables.contacts["customer"])
    )
    columns: dict[str, np.ndarray] = {
        f"contacts_{recent}_days": np.bincount(place[days <= recent], minlength=n).astype(float)
        for recent in RECENT_DAYS
    }
    since = np.full(n, np.inf)
    np.minimum.at(since, place, days.astype(float))
    columns["days_since_contact"] = np.where(np.isfinite(since), since, np.nan)
    responded = tables.contacts["responded"].to_numpy(dtype=float)
    known = np.isfinite(responded)
    recent = known & (days <= RESPONSE_DAYS)
    counts = np.bincount(place[recent], responded[recent], minlength=n)
    columns[OF_CONTACTS[-1]] = counts if known.any() else np.full(n, np.nan)
    return pd.DataFrame(columns)


def list_features(lists: Sequence[Recommendation], catalogue: Catalogue) -> pd.DataFrame:
    """The category of the first item, its score, and how evenly the scores of the list are spread.

    The entropy is that of the scores above 0 as shares, in nats; NaN without such scores.
    """
    firsts = [answer.items[0].item if answer.items else "" for answer in lists]
    codes = catalogue.codes(firsts)
    category = np.where(codes == UNKNOWN, UNKNOWN, catalogue.category_codes[codes])
    names = np.append(catalogue.category_names.astype(object), "")  # the last one: unknown
    best = [answer.items[0].score if answer.items else None for answer in lists]
    return pd.DataFrame(
        {
            "top_category": names[category],
            "best_score": np.array(best, dtype=float),
            "list_entropy": [_entropy([item.score for item in answer.items]) for answer in lists],
        }
    )


def _entropy(scores: Sequence[float | None]) -> float:
    positive = np.array([score for score in scores if score is not None and score > 0])
    if not len(positive):
        return np.nan
    shares = positive / positive.sum()
    return float(-(shares * np.log(shares)).sum())
