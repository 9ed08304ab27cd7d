"""The parameters of the simulated market: one yaml file, read once and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.plain_yaml import read_plain_yaml
from growthlab.data.shop_words import CATEGORIES

FILE = Path(__file__).with_name("parameters.yaml")
MOST_MORE = 3  # lines or pieces beyond the first


@dataclass(frozen=True)
class MarketParameters:
    """The sections of parameters.yaml, which says what each parameter means and where it comes from."""

    customers: Mapping[str, Any]
    visits: Mapping[str, Any]
    stages: int
    need_power: float
    categories: Mapping[str, Mapping[str, float]]
    items: Mapping[str, float]
    promotions: Mapping[str, Any]
    word: Mapping[str, Any]
    life_events: Mapping[str, Mapping[str, Any]]
    satisfaction: Mapping[str, float]
    returns: Mapping[str, Any]
    messages: Mapping[str, Any]
    future: Mapping[str, float]

    @classmethod
    def read(cls, path: Path = FILE) -> MarketParameters:
        """The parameters of a file.

        Raises
        ------
        ConfigError
            A section is missing or not known, or a category has no words.
        """
        content = read_plain_yaml(path)
        sections = [field.name for field in fields(cls)]
        for name in content:
            if name not in sections:
                raise ConfigError(f"{path}: {name} is no section: {near_matches(name, sections)}")
        if missing := [name for name in sections if name not in content]:
            raise ConfigError(f"{path} has no section {missing[0]}")
        words = [category.name for category in CATEGORIES]
        for name in content["categories"]:
            if name not in words:
                raise ConfigError(f"{path}: category {name}: {near_matches(name, words)}")
        return cls(**content)

    @property
    def category_names(self) -> list[str]:
        """The categories, in the order of the file."""
        return list(self.categories)

    @property
    def offers(self) -> Mapping[str, Mapping[str, float]]:
        """What each offer gives."""
        offers: Mapping[str, Mapping[str, float]] = self.messages["offers"]
        return offers

    @property
    def channels(self) -> Mapping[str, Mapping[str, float]]:
        """What each channel of messages costs and reaches."""
        channels: Mapping[str, Mapping[str, float]] = self.messages["channels"]
        return channels

    def by_category(self, name: str) -> np.ndarray:
        """One parameter of all categories, shape ``(n_categories,)``."""
        return np.array([values[name] for values in self.categories.values()], dtype=float)

    @cached_property
    def need(self) -> np.ndarray:
        """The need at each stage of the stock, from an empty to a full one, shape ``(stages + 1,)``."""
        need: np.ndarray = (1 - np.arange(self.stages + 1) / self.stages) ** self.need_power
        return need

    def mean_amount(self, name: str) -> np.ndarray:
        """The mean number of ``lines`` or ``pieces`` of a purchase in each category."""
        more = self.by_category(name)
        mean: np.ndarray = np.sum([more**n for n in range(MOST_MORE + 1)], axis=0)
        return mean


def amounts(uniform: np.ndarray, more: np.ndarray) -> np.ndarray:
    """One, and one more with probability `more` as long as there is one, at most `MOST_MORE` times."""
    number: np.ndarray = np.sum([uniform < more**n for n in range(MOST_MORE + 1)], axis=0)
    return number
