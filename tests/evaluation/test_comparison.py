"""A comparison: the winner by validation, differences, and the reports."""

import re
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from growthlab.evaluation.comparison import Comparison, model_result_lines
from growthlab.evaluation.leaderboard_columns import MetricColumn
from growthlab.pages.text_table import (
    decimals_for,
    format_interval,
    format_number,
    format_p_value,
    metric_label,
    table_text,
)
from growthlab.split.origin_windows import OriginWindows, Window


@pytest.fixture
def comparison(recommenders, ranking_columns) -> Comparison:
    return Comparison(
        outcomes={0: recommenders},
        objective="ndcg_at_10",
        maximise=True,
        baselines=("popularity", "markov", "absent"),
        title="shop: top_n",
        leakage={"newest_past_event": "2024-01-01", "ties": {"at_border": 0}},
        errors={"neumf seed 0": "out of patience"},
        columns=ranking_columns,
        bundle_mb={"item_knn": 1.25},
    )


def test_settings_that_are_not_the_models_own_stand_under_the_title(comparison):
    changed = replace(comparison, subtitle="epochs=8 for gru4rec")
    assert changed.as_text().splitlines()[1:4] == ["shop: top_n", "epochs=8 for gru4rec", ""]
    assert "\nepochs=8 for gru4rec\n" in changed.as_markdown()
    assert comparison.as_text().splitlines()[1:3] == ["shop: top_n", ""]


def test_the_winner_is_chosen_on_validation_though_another_is_better_on_test(comparison):
    table = comparison.leaderboard()
    assert table["model"].tolist()[0] == "gru4rec"
    assert table.loc[table["winner"], "model"].tolist() == ["item_knn"]
    assert comparison.winner().name == "item_knn"


def test_a_winner_by_default_is_said_to_be_one(comparison):
    def decided_by(n: int) -> Comparison:
        outcomes = {0: [replace(o, n_deciding=float(n)) for o in comparison.outcomes[0]]}
        return replace(comparison, outcomes=outcomes)

    few = decided_by(19)
    assert few.winner().name == "popularity"
    table = few.leaderboard()
    assert table.loc[table["winner"], "model"].tolist() == ["popularity"]
    why = "19 customers decide on the validation window, fewer than 20"
    assert f"* winner by default: {why}; b baseline" in few.as_text()
    assert f"Winner by default: **popularity**, as {why}." in few.as_markdown()
    assert few.origins()[0].winner == "popularity"
    assert decided_by(20).winner().name == comparison.winner().name == "item_knn"
    assert replace(few, min_deciding=19).winner().name == "item_knn"


def test_of_several_seeds_the_best_validated_one_is_the_winner(recommenders):
    seeds = [replace(o, valid={**o.valid, "ndcg_at_10": 0.5 + o.seed}) for o in recommenders[2:4]]
    comparison = Comparison({0: [*recommenders[:2], *seeds]}, "ndcg_at_10", True)
    assert (comparison.winner().name, comparison.winner().seed) == ("gru4rec", 1)


def test_a_metric_to_be_minimised_has_the_smallest_value_first(churn_models, binary_metrics):
    comparison = Comparison(
        {0: churn_models[1:]}, "brier", False, ("logistic",), metrics=binary_metrics
    )
    assert comparison.leaderboard()["brier"].is_monotonic_increasing
    assert comparison.winner().name == "logistic"


def test_values_are_means_over_seeds_with_their_spread(comparison, recommenders):
    row = comparison.leaderboard().set_index("model").loc["gru4rec"]
    values = [o.test["ndcg_at_10"].value for o in recommenders[2:4]]
    assert row["ndcg_at_10"] == pytest.approx(np.mean(values))
    assert row["seed_sd"] == pytest.approx(np.std(values, ddof=1))
    assert row["seeds"] == 2
    assert row["low"] < row["ndcg_at_10"] < row["high"]
    assert np.isnan(comparison.leaderboard().set_index("model").loc["markov", "seed_sd"])


def test_differences_are_to_the_best_baseline_by_validation(comparison):
    table = comparison.leaderboard().set_index("model")
    expected = table["ndcg_at_10"] - table.loc["popularity", "ndcg_at_10"]
    compared = table.drop(index="popularity")
    assert compared["difference"].to_numpy() == pytest.approx(expected[compared.index].to_numpy())
    assert np.isnan(table.loc["popularity", "difference"])
    assert table.loc["item_knn", "p_holm"] < 0.01
    assert table.loc["item_knn", "bundle_mb"] == 1.25


def test_predictions_are_compared_by_the_metric_itself(churn_models, binary_metrics):
    comparison = Comparison(
        {0: churn_models},
        "roc_auc",
        True,
        ("recency_rule",),
        metrics=binary_metrics,
        columns=(MetricColumn("brier", larger_is_better=False),),
    )
    table = comparison.leaderboard().set_index("model")
    assert table.loc["logistic", "difference_low"] > 0
    assert table.loc["logistic", "p_holm"] < 0.01
    assert np.isnan(table.loc["recency_rule", "brier"])  # its scores are no probabilities


def test_without_a_baseline_there_is_no_difference(recommenders):
    comparison = Comparison({0: recommenders}, "ndcg_at_10", True, ("absent",))
    assert comparison.leaderboard()["difference"].isna().all()
    assert "No baseline took part" in comparison.as_markdown()
    assert "vs" not in comparison.as_text()


def test_the_console_table_fits_120_columns_and_marks_the_winner(comparison):
    text = comparison.as_text()
    assert max(map(len, text.splitlines())) <= 120
    (winner,) = [line for line in text.splitlines() if "item_knn *" in line]
    assert winner.startswith("2")
    assert "popularity b" in text
    assert "FAILED neumf seed 0: out of patience" in text
    assert "underpowered: with 80 customers" in text


def test_the_report_has_every_section_that_has_content(comparison):
    report = comparison.as_markdown()
    titles = [line for line in report.splitlines() if line.startswith("#")]
    assert titles == [
        "# shop: top_n",
        "## Leaderboard",
        "## Difference to the best baseline, popularity",
        "## Metrics on the test window, with bounds",
        "## Kinds of customers and items",
        "## Cost",
        "## Leakage",
        "## What failed",
        "## How to read this",
    ]
    assert "Winner by the validation window's ndcg@10: **item_knn**" in report
    assert "| model | all | warm | head | tail | cold item | cold user | repeat | new |" in report
    assert "- ties: at border: 0" in report


def test_each_origin_chooses_by_its_own_validation_and_windows_that_chose_do_not_count(
    recommenders, recommender_outcome
):
    def at_origin(knn, gru, chosen):
        outcomes = [recommender_outcome("item_knn", knn), recommender_outcome("gru4rec", gru)]
        return [
            replace(o, valid={**o.valid, "ndcg_at_10": 1.0 if o.name == chosen else 0.5})
            for o in outcomes
        ]

    outcomes = {
        0: recommenders,  # item_knn is chosen, gru4rec is better on test
        1: at_origin(2.0, 0.1, chosen="gru4rec"),
        2: at_origin(2.0, 0.1, chosen="gru4rec"),
    }
    days = [datetime(2025, 1, d) for d in (1, 8, 15, 22, 29)]
    weeks = [Window(start, end) for start, end in pairwise(days)]
    windows = [OriginWindows(weeks[n - 1], weeks[n]) for n in (3, 2, 1)]
    comparison = Comparison(outcomes, "ndcg_at_10", True, ("popularity",), windows=windows)
    results = comparison.origins()
    assert [(o.winner, o.wins, o.counts) for o in results] == [
        ("item_knn", False, True),
        ("gru4rec", True, False),  # its test window chose item_knn at the newest cutoff
        ("gru4rec", True, True),
    ]
    assert [o.cutoff for o in results] == [days[3], days[2], days[1]]
    line = "the model chosen by validation is ahead on 1 of 2 independent windows (3 cutoffs)"
    assert line in comparison.as_text()
    assert f"{line.capitalize()}." in comparison.as_markdown()


def test_one_model_alone_is_its_own_comparison(recommenders):
    comparison = Comparison({0: recommenders[:1]}, "ndcg_at_10", True, ("popularity",))
    assert comparison.winner().name == "popularity"
    assert "It is a baseline" in comparison.as_markdown()
    assert comparison.leaderboard().shape[0] == 1


def test_columns_are_shown_next_to_the_objective_where_every_model_has_them(comparison):
    assert comparison.headline == ["recall_at_20", "coverage_at_10"]
    assert "coverage@10" in comparison.as_markdown()
    assert "gini@10" not in comparison.as_markdown()


def test_an_outcome_is_listed_with_its_objective_first(recommenders, ranking_columns):
    lines = model_result_lines(recommenders[2], "ndcg_at_10", ranking_columns)
    assert lines[1].startswith("gru4rec, seed 0: fitted in 1.5 s (3 epochs)")
    assert lines[5].startswith("ndcg@10")


def test_the_reports_name_the_models_whose_bounds_are_rough(churn_models):
    def with_rough(*names: str) -> Comparison:
        rough = frozenset({"roc_auc"})
        models = [replace(o, rough=rough if o.name in names else frozenset()) for o in churn_models]
        return Comparison({0: models}, "roc_auc", True)

    names = [outcome.name for outcome in churn_models]
    decide = "as fewer than 50 of them decide by their weight"
    assert "rough" not in with_rough().as_text()
    assert f"rough for {names[1]}, {decide}" in with_rough(names[1]).as_text()
    report = with_rough(*names).as_markdown()
    assert f"rough, {decide}" in report
    (row,) = [line for line in report.splitlines() if re.match(rf"\| {names[0]} .*rough", line)]
    assert row.count("rough") == 1  # of its metrics, the objective alone


def test_numbers_have_as_many_digits_as_their_size_needs():
    assert decimals_for([0.123, -0.5]) == 4
    assert decimals_for([123.0, np.nan]) == 1
    assert format_number(1234.5, 1) == "1,234.5"
    assert format_number(float("nan")) == "-"
    assert format_interval(0.5, float("nan"), float("nan")) == "0.5000"
    assert format_interval(0.5, 0.4, 0.6, 2) == "0.50 [0.40, 0.60]"
    assert format_p_value(0.0004) == "<0.001"
    assert metric_label("recall_at_20") == "recall@20"
    assert metric_label("events_at_cutoff") == "events at cutoff"


def test_any_table_can_be_printed():
    frame = pd.DataFrame(
        {"rule": ["dups", "bots"], "dropped_events": [1200, 3], "why": ["-", None]}
    )
    assert table_text(frame).splitlines() == [
        "rule  dropped events  why",
        "-------------------------",
        "dups           1,200  -",
        "bots               3  -",
    ]
