"""Customers whose lists are worth a look: where two models differ most, and where all fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

from growthlab.data.event_log import EventLog
from growthlab.evaluation.segment_differences import gains_by_customer
from growthlab.evaluation.standings import Standings
from growthlab.review.item_pictures import item_pictures
from growthlab.review.review_contents import CaseGroup, CustomerCase, ListedItem

PER_GROUP = 4
LENGTH = 10  # places of a list, and events of a history
LISTS, TRUTH = "recommendations", "truth"  # tables of an outcome


@dataclass(frozen=True)
class CaseReader:
    """Reads customers of a comparison of lists: `past` is what models saw; `pseudonym` names customers.

    `pictures` is a folder with pictures of items, see `item_pictures`.
    """

    comparison: Standings
    past: EventLog
    pseudonym: Callable[[str], str]
    pictures: str | None = None

    def groups(self, model: str, rival: str) -> list[CaseGroup]:
        """The customers for whom either model was most better, and those whom all models fail."""
        gains = gains_by_customer(self.comparison, model, rival).sort_index()
        ordered = gains.sort_values(kind="stable")
        best = ordered[ordered > 0].index[::-1][:PER_GROUP]
        worst = ordered[ordered < 0].index[:PER_GROUP]
        chosen = {
            f"{model} is right where {rival} is wrong": list(best),
            f"{rival} is right where {model} is wrong": list(worst),
            "All models fail": self._failed(),
        }
        users = [user for group in chosen.values() for user in group]
        cases = self._cases(users, (model, rival))
        return [
            CaseGroup(title, [cases[user] for user in group])
            for title, group in chosen.items()
            if group
        ]

    def _failed(self) -> list[str]:
        """Customers for whom no model has any of the objective, those with the most to find first."""
        comparison = self.comparison
        tables = [seeds[0].per_user for seeds in comparison.models.values()]
        values = [t.set_index("user_id")[comparison.objective] for t in tables]
        best = pd.concat(values, axis=1).max(axis=1) if comparison.maximise else None
        if best is None:
            return []
        failed = set(best[best == 0].index)
        truth = self._tables(TRUTH)[next(iter(comparison.models))]
        counts = truth[truth["user_id"].isin(failed)].groupby("user_id", observed=True).size()
        order = counts.reset_index(name="n").sort_values(["n", "user_id"], ascending=[False, True])
        return [str(user) for user in order["user_id"][:PER_GROUP]]

    def _tables(self, name: str) -> dict[str, pd.DataFrame]:
        """A table of each model's first seed."""
        return {m: seeds[0].tables[name] for m, seeds in self.comparison.models.items()}

    def _cases(self, users: Sequence[str], models: Sequence[str]) -> dict[str, CustomerCase]:
        tables = self._tables(LISTS)
        truths = _first_steps(_of_users(self._tables(TRUTH)[models[0]], users))
        lists = {m: _first_steps(_of_users(tables[m], users)) for m in models}
        histories = self._histories(users)
        names = self._names([truths, *lists.values(), histories])
        shown = [item for table in lists.values() for item in table["item_id"]]
        pictures = {} if self.pictures is None else item_pictures(self.pictures, shown)
        objective = self.comparison.objective
        values = {
            m: self.comparison.models[m][0].per_user.set_index("user_id")[objective] for m in models
        }
        return {
            user: CustomerCase(
                customer=self.pseudonym(user),
                history=_counted([names[i] for i in _items(histories, user)]),
                truth=[names[i] for i in _items(truths, user)],
                lists={m: _listed(lists[m], truths, user, names, pictures) for m in models},
                values={m: float(values[m][user]) for m in models},
            )
            for user in users
        }

    def _histories(self, users: Sequence[str]) -> pd.DataFrame:
        """The last events with an item of each customer before the cutoff, oldest first."""
        if not users:
            return pd.DataFrame({"user_id": [], "item_id": []})
        time = self.past.ordered_by
        return self.past.query(
            f"SELECT user_id, item_id FROM events WHERE user_id IN ({_texts(users)}) "
            "AND item_id IS NOT NULL "
            f"QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY {time} DESC, item_id) <= {LENGTH} "
            f"ORDER BY user_id, {time}, item_id"
        )

    def _names(self, tables: Sequence[pd.DataFrame]) -> Mapping[str, str]:
        """What each item of the tables is called: its text and id, or its id."""
        ids = sorted({str(i) for table in tables for i in table["item_id"]})
        items = self.past.items
        names = {i: i for i in ids}
        if items is None or "text" not in items or not ids:
            return names
        known = items[items["item_id"].astype(str).isin(ids) & items["text"].notna()]
        titles = zip(known["item_id"].astype(str), known["text"].astype(str), strict=True)
        return names | {i: f"{_short(title)} ({i})" for i, title in titles if title}


def _counted(names: Sequence[str]) -> list[str]:
    """The names, with how often where one follows itself."""
    groups = ((name, len(list(same))) for name, same in groupby(names))
    return [name if n == 1 else f"{n} times {name}" for name, n in groups]


def _short(title: str) -> str:
    return title if len(title) <= 48 else f"{title[:47]}…"


def _of_users(table: pd.DataFrame, users: Sequence[str]) -> pd.DataFrame:
    kept = table[table["user_id"].isin(list(users))]
    return kept.assign(user_id=kept["user_id"].astype(str), item_id=kept["item_id"].astype(str))


def _first_steps(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each customer's first step, where rows are steps."""
    if "step" not in table:
        return table
    first = table.groupby("user_id")["step"].transform("min")
    return table[table["step"] == first]


def _items(table: pd.DataFrame, user: str) -> list[str]:
    return [str(i) for i in table.loc[table["user_id"] == user, "item_id"]]


def _listed(
    table: pd.DataFrame,
    truths: pd.DataFrame,
    user: str,
    names: Mapping[str, str],
    pictures: Mapping[str, str],
) -> list[ListedItem]:
    ranked = table[table["user_id"] == user].sort_values("rank").head(LENGTH)
    hits = set(_items(truths, user))
    ids = ranked["item_id"].astype(str)
    return [ListedItem(names[i], i in hits, pictures.get(i, "")) for i in ids]


def _texts(values: Sequence[str]) -> str:
    """Texts in SQL."""
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)
