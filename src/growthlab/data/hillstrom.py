"""Hillstrom's e-mail campaign: 64,000 customers who got one of two e-mails, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from growthlab.core.errors import DataError
from growthlab.data.experiment_source import ExperimentFile
from growthlab.data.readers.files import existing_file

NONE, WOMENS, MENS = "No E-Mail", "Womens E-Mail", "Mens E-Mail"


@dataclass(frozen=True, kw_only=True)
class Hillstrom(ExperimentFile):
    """Customers who bought in the year before, drawn into three equal arms; outcomes of two weeks.

    The control of either e-mail is no e-mail. The outcome is `visit`, or with ``columns.label`` another
    of conversion and spend; none of them is a feature, and neither is the history of spend as a text.
    Hillstrom, MineThatData E-Mail Analytics and Data Mining Challenge, 2008.
    """

    name: ClassVar[str] = "hillstrom"
    columns: Mapping[str, str | None] = field(
        default_factory=lambda: {"arm": "segment", "label": "visit"}
    )
    features: list[str] | None = field(
        default_factory=lambda: [
            *("recency", "history", "mens", "womens", "zip_code", "newbie", "channel")
        ]
    )
    control: str | int | None = NONE
    probability: Mapping[str, float | str] | None = field(
        default_factory=lambda: {NONE: 1 / 3, WOMENS: 1 / 3, MENS: 1 / 3}
    )

    def input_files(self) -> list[Path]:
        """The one file."""
        if not self.path:
            raise DataError("data=hillstrom needs data.path=customers.parquet")
        return [existing_file(self.path)]
