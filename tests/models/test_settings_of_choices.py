"""Each search space says which settings a model reads only with some choice of another one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from tests.models.test_contract import SEARCHED, config_of
from tests.models.test_contract import shop as small_shop

from growthlab.config.compose import search_space_named_as
from growthlab.config.space_from_config import space_of
from growthlab.core.build import build
from growthlab.core.histories import Histories
from growthlab.models.base import Recommender
from growthlab.search.search_space import CategoricalRange, SearchSpace
from growthlab.training.fit_options import FitOptions

FAST = {"model.trees": 5, "model.min_leaf": 2}  # where a model has them


config = cache(config_of)


@cache
def shop() -> Histories:
    """The shop of the contract with texts of different lengths."""
    past = small_shop()
    texts = [" ".join([str(text)] * (1 + n % 3)) for n, text in enumerate(past.catalogue.text)]
    return replace(past, catalogue=replace(past.catalogue, text=np.array(texts)))


@cache
def space(name: str) -> SearchSpace:
    return space_of(search_space_named_as(f"recommend/{name}"), config(name))


def deciders(name: str) -> dict[str, CategoricalRange]:
    """The settings of a space that choose among names."""
    return {
        key: values
        for key, values in space(name).ranges.items()
        if isinstance(values, CategoricalRange) and all(isinstance(v, str) for v in values)
    }


CASES = [(name, key) for name in SEARCHED for key in deciders(name)]


@cache
def scores(name: str, settings: tuple[tuple[str, Any], ...]) -> np.ndarray:
    """What a model of these settings scores."""
    node: Any = OmegaConf.create({"model": config(name)})
    for key, value in (*FAST.items(), *settings):
        if OmegaConf.select(node, key) is not None:
            OmegaConf.update(node, key, value)
    model = build(node.model, Recommender)
    return model.fit(shop(), FitOptions(device="cpu")).score(shop())


def reads(name: str, key: str, choice: str, setting: str) -> bool:
    """Whether two values of a setting make two models."""
    values = space(name).ranges[setting]
    two = (values.first, values.values[-1] if isinstance(values, CategoricalRange) else values.high)
    one, other = (scores(name, ((key, choice), (setting, value))) for value in two)
    return not np.array_equal(one, other, equal_nan=True)


@pytest.mark.parametrize(("name", "key"), CASES)
def test_what_only_some_choices_read_stands_under_when(name: str, key: str) -> None:
    searched, choices = space(name), deciders(name)[key]
    settings = [setting for setting in searched.ranges if setting != key]
    read = {c: {s for s in settings if reads(name, key, c, s)} for c in choices}
    once = set().union(
        *read.values()
    )  # the others are read with values that this shop does not tell apart
    for choice in choices:
        active = searched.active({**searched.default, key: choice})
        assert read[choice] == once & set(active), choice
