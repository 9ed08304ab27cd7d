"""What the validation window chooses: means over seeds, ties, and the default where few decide."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from growthlab.core.errors import ConfigError
from growthlab.evaluation.choice import (
    ChoiceRule,
    Judged,
    default_words,
    least_deciding,
    require_number,
)
from growthlab.evaluation.outcome import ModelEvaluation
from growthlab.tasks.churn import Churn
from growthlab.tasks.top_n import TopN
from growthlab.tasks.value import Value

RULE = ChoiceRule(baselines=("recency_rule", "bg_nbd"), min_deciding=30)


def judged(model: str, value: float, n_deciding: float = 100) -> Judged:
    return Judged(model, model, value, n_deciding)


def ranked(runs: list[Judged], rule: ChoiceRule = RULE) -> list[list[Judged]]:
    return rule.rank(runs, lambda run: run)


def names(runs: list[Judged], rule: ChoiceRule = RULE) -> list[str]:
    return [seeds[0].model for seeds in ranked(runs, rule)]


def test_models_are_ranked_by_the_mean_of_their_seeds_and_the_best_seed_stands_first() -> None:
    # means: .65 for gru, .6 for ease
    runs = [judged("ease", 0.6), judged("gru", 0.5), judged("gru", 0.8)]
    assert [[r.value for r in seeds] for seeds in ranked(runs)] == [[0.8, 0.5], [0.6]]


def test_of_equals_the_first_is_chosen() -> None:
    assert names([judged("b", 0.5), judged("a", 0.5)]) == ["b", "a"]


def test_the_least_is_best_where_the_objective_is_an_error() -> None:
    rule = ChoiceRule(maximise=False)
    runs = [judged("a", 0.5), judged("b", 0.1), judged("b", 0.2)]
    assert names(runs, rule) == ["b", "a"]
    assert ranked(runs, rule)[0][0].value == 0.1


def test_a_model_without_a_value_is_no_candidate() -> None:
    assert names([judged("a", math.nan), judged("b", 0.1)]) == ["b"]
    assert names([judged("a", math.nan)]) == []


def test_where_few_decide_the_first_baseline_of_the_task_is_before_all_others() -> None:
    few = [judged(m, v, 29) for m, v in (("gru", 0.9), ("bg_nbd", 0.8), ("recency_rule", 0.5))]
    assert names(few) == ["recency_rule", "bg_nbd", "gru"]
    enough = [run._replace(n_deciding=30) for run in few]
    assert names(enough) == ["gru", "bg_nbd", "recency_rule"]


def test_without_a_baseline_the_default_is_the_first_that_was_given() -> None:
    assert names([judged("a", 0.1, 5), judged("b", 0.9, 5)]) == ["a", "b"]


def test_runs_that_did_not_count_who_decides_are_chosen_from() -> None:
    runs = [judged("recency_rule", 0.5, math.nan), judged("gru", 0.9, math.nan)]
    assert math.isnan(least_deciding(runs))
    assert names(runs) == ["gru", "recency_rule"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(-1, 1)), max_size=12))
def test_a_minimum_of_none_always_chooses_the_best_mean(runs: list[tuple[str, float]]) -> None:
    rule = ChoiceRule(baselines=("c",), min_deciding=0)
    groups = ranked([judged(model, value, 0) for model, value in runs], rule)
    means = [math.fsum(r.value for r in seeds) / len(seeds) for seeds in groups]
    assert all(a >= b - 1e-12 for a, b in pairwise(means))


def test_the_words_of_a_default_name_who_decides() -> None:
    assert default_words(5, 30) == "5 customers decide on the validation window, fewer than 30"
    assert default_words(1, 30).startswith("1 customer decides on")


@pytest.mark.parametrize("number", [-1, True, 2.5, "many"])
def test_a_minimum_that_is_no_number_of_customers_is_refused(number: int) -> None:
    with pytest.raises(ConfigError, match=r"task\.min_deciding=.*: give a number of customers"):
        require_number(number)
    for task in (Churn, Value, TopN):
        with pytest.raises(ConfigError, match=r"task\.min_deciding"):
            task(min_deciding=number)


def test_those_decide_by_whom_models_can_differ(recommenders, churn_models) -> None:
    def evaluation(rows):
        fields = dict.fromkeys(("values", "strata", "tables", "score_seconds", "coverage"))
        return ModelEvaluation(per_user=rows, **fields)

    rows = churn_models[0].per_user
    leavers = int(rows["label"].sum())
    assert Churn().n_deciding(evaluation(rows)) == min(leavers, len(rows) - leavers)
    buyers = rows.assign(label=rows["label"] * 12.5)
    assert Value().n_deciding(evaluation(buyers)) == leavers
    users = recommenders[0].per_user.copy()
    users.loc[:4, "ndcg_at_10"] = math.nan  # five users without an item to find
    assert TopN().n_deciding(evaluation(users)) == len(users) - 5
