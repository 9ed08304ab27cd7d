"""Experiments of a few thousand customers whose effects are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

N = 4000
Customers = Callable[..., pd.DataFrame]


@pytest.fixture(scope="session")
def customers() -> Customers:
    """A row a customer: what was spent before, whether they visited, and what they spent."""

    def made(
        lift: float = 0.0, n: int = N, seed: int = 0, arms: tuple[str, ...] = ("control", "new")
    ) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        arm = np.array(arms, dtype=object)[np.arange(n) % len(arms)]
        taste = rng.gamma(2.0, 5.0, n)
        visits = (rng.random(n) < 0.3).astype(float)
        spend = visits * taste * rng.gamma(4.0, 0.25, n) * (1 + lift * (arm != arms[0]))
        town = np.where(rng.random(n) < 0.5, "north", "south")
        return pd.DataFrame(
            {
                "user_id": [f"u{i}" for i in range(n)],
                "arm": arm,
                "visit": visits,
                "spend": spend,
                "spent_before": taste,
                "town": town,
            }
        )

    return made


@pytest.fixture
def table(tmp_path: Path) -> Callable[[pd.DataFrame, str], Path]:
    """A frame in a CSV file."""

    def written(frame: pd.DataFrame, name: str = "customers.csv") -> Path:
        path = tmp_path / name
        frame.to_csv(path, index=False)
        return path

    return written
