"""Ranges in Hydra's sweep grammar, and every search space of the config tree."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from growthlab.config.compose import compose, search_space_named_as
from growthlab.config.conf_tree import choices
from growthlab.config.space_from_config import space_of
from growthlab.core.errors import ConfigError
from growthlab.search.search_space import CategoricalRange, NumericRange

MODEL = OmegaConf.create({"width": 16, "trainer": {"lr": 0.01, "l2": None}, "layers": [32, 16]})
FAMILIES = {"recommend": "top_n", "churn": "churn", "value": "value", "uplift": "uplift"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("choice(8, 16, 16)", CategoricalRange((8, 16))),
        ("choice(none, 'bm25', true)", CategoricalRange(("none", "bm25", True))),
        ("choice([64], [32, 16])", CategoricalRange(([64], [32, 16]))),
        ("range(1, 8, 3)", NumericRange(1, 7, step=3)),  # 1, 4, 7
        ("range(5)", NumericRange(0, 4, step=1)),
        ("interval(0.0, 0.5)", NumericRange(0.0, 0.5)),
        ("interval(1, 500)", NumericRange(1.0, 500.0)),
        ("int(interval(1, 500))", NumericRange(1, 500, step=1)),
        ("tag(log, interval(0.001, 1))", NumericRange(0.001, 1, log=True)),
    ],
)
def test_a_sweep_becomes_a_range(text: str, expected: CategoricalRange | NumericRange) -> None:
    space = space_of({"width": text}, MODEL)
    assert space.ranges == {"model.width": expected}
    assert space.default == {"model.width": 16}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("5", "is not a range: use choice"),
        ("choice(", "cannot be read: use choice"),
        ("range(3, 3)", "is empty"),
        ("range(0, 1, 0.1)", "takes whole numbers"),
        ("interval(2, 1)", "is empty"),
        ("tag(log, interval(0, 1))", "the lower end must be positive"),
        ("choice({a: 1})", "a value is a number, a string, null or a list"),
    ],
)
def test_a_text_that_is_not_a_range_is_refused_in_one_line(text: str, line: str) -> None:
    with pytest.raises(ConfigError, match=rf"^search\.width=.*{line}"):
        space_of({"width": text}, MODEL)


def test_a_nested_setting_may_be_written_dotted_or_nested() -> None:
    dotted = space_of({"trainer.lr": "interval(0.1, 0.2)"}, MODEL)
    nested = space_of({"trainer": {"lr": "interval(0.1, 0.2)"}}, MODEL)
    assert dotted == nested
    assert dotted.default == {"model.trainer.lr": 0.01}
    lists = space_of({"layers": "choice([32, 16], [64])"}, MODEL)
    assert lists.contains_default


def test_an_empty_space_is_refused() -> None:
    with pytest.raises(ConfigError, match="the search space is empty"):
        space_of({}, MODEL)


@pytest.mark.parametrize("model", choices("search"))
def test_every_space_fits_its_model(model: str) -> None:
    family = model.partition("/")[0]
    config: Any = compose("tune", [f"task={FAMILIES[family]}", f"model={model}"]).config
    space = space_of(config.search, config.model)
    assert search_space_named_as(model) == config.search
    assert space.distributions()
    for key, values in space.ranges.items():
        assert values.n_values != 1, f"{key} has a single value"
