"""Experiments and off-policy value from Python; nothing is logged."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from growthlab.config.compose import compose
from growthlab.effects.ab_analysis import AbAnalysis, analyse
from growthlab.effects.ab_page import ab_html
from growthlab.effects.ab_report import ab_table, ab_text
from growthlab.effects.ab_settings import AbSettings
from growthlab.effects.ope_report import ope_html, ope_text
from growthlab.pages.notebook_html import page_html
from growthlab.workbench.experiment_input import experiment_data
from growthlab.workbench.logged_config import plain_config
from growthlab.workbench.policy_input import JudgedPolicy, judged_policy
from growthlab.workbench.review_inputs import write_page

Table = str | Path | pd.DataFrame


@dataclass(frozen=True, repr=False)
class AbResult:
    """What an experiment changed."""

    analysis: AbAnalysis
    name: str

    @property
    def effects(self) -> pd.DataFrame:
        """A row an effect; empty where the split is broken and no effect may be shown."""
        return ab_table(self.analysis) if self.analysis.arms else pd.DataFrame()

    def save(self, path: str | Path) -> Path:
        """Write the page of ``growthlab ab`` to a file."""
        return write_page(ab_html(self.analysis), Path(path))

    def __repr__(self) -> str:
        return ab_text(self.analysis)

    def _repr_html_(self) -> str:
        return page_html(ab_html(self.analysis), self.name)


@dataclass(frozen=True, repr=False)
class OpeResult:
    """What another policy would have earned."""

    judged: JudgedPolicy
    name: str

    def save(self, path: str | Path) -> Path:
        """Write the page of ``growthlab ope`` to a file."""
        return write_page(self._page(), Path(path))

    def _page(self) -> str:
        return ope_html(self.judged.value, self.judged.actions, self.name)

    def __repr__(self) -> str:
        return "\n".join([ope_text(self.judged.value), *self.judged.notes])

    def _repr_html_(self) -> str:
        return page_html(self._page(), self.name)


def ab(
    customers: Table,
    outcomes: Sequence[str],
    columns: Mapping[str, str] | None = None,
    *,
    name: str = "experiment",
    overrides: Sequence[str] = (),
) -> AbResult:
    """What an experiment changed, from a table with a row a customer, as ``growthlab ab`` says it.

    Parameters
    ----------
    customers : a file or a frame
    outcomes : columns, ``any spend`` or ratios such as ``spend/visit``; the first one decides
    columns : our name -> yours, such as ``{"user_id": "customer", "arm": "group"}``
    name : of the experiment
    overrides : settings as on the command line, such as ``control=off`` or ``guardrails={refunds: 0.05}``

    Raises
    ------
    ConfigError, DataError
        The mistakes that the command reports, in one line.
    """
    mapped = [f"exposures.{ours}={_word(theirs)}" for ours, theirs in (columns or {}).items()]
    with _as_file(customers) as path:
        listed = f"outcomes=[{','.join(map(_word, outcomes))}]"
        words = [f"exposures.path={_word(path)}", listed, f"name={_word(name)}", *mapped]
        command = compose("ab", [*words, *overrides])
        settings = AbSettings.of(plain_config(command))
        return AbResult(analyse(experiment_data(command), settings, name), name)


def ope(
    actions: Table,
    policy: Table | None = None,
    columns: Mapping[str, str] | None = None,
    *,
    name: str = "policy",
    overrides: Sequence[str] = (),
) -> OpeResult:
    """What another policy would have earned, from a table with a row a shown action and its propensity.

    Parameters
    ----------
    actions : a file or a frame
    policy : a table of the other policy; None: its probabilities are in the column ``target``
    columns : our name -> yours, such as ``{"reward": "clicked", "target": "new_probability"}``
    overrides : settings as on the command line, such as ``switch_at=5``

    Raises
    ------
    ConfigError, DataError
        The mistakes that the command reports, and its refusals, in one line.
    """
    mapped = [f"actions.{ours}={_word(theirs)}" for ours, theirs in (columns or {}).items()]
    with _as_file(actions) as path, _as_file(policy) as of_policy:
        chosen = [] if of_policy is None else [f"policy={_word(of_policy)}"]
        words = [f"actions.path={_word(path)}", *chosen, f"name={_word(name)}", *mapped]
        return OpeResult(judged_policy(compose("ope", [*words, *overrides]).config), name)


@contextmanager
def _as_file(table: Table | None) -> Iterator[str | None]:
    """The path of a table; a frame is written to a file as long as the block lasts."""
    if not isinstance(table, pd.DataFrame):
        yield None if table is None else str(table)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        table.to_parquet(path, index=False)
        yield str(path)


def _word(text: object) -> str:
    """A text in the quotes of the command line."""
    return json.dumps(str(text), ensure_ascii=False)
