"""Plots: each renders to a PNG and shows its numbers."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from growthlab.core.visible_text import visible_text
from growthlab.evaluation.comparison import Comparison
from growthlab.evaluation.figures import outcome_figures
from growthlab.evaluation.outcome import Estimate, Outcome
from growthlab.evaluation.plots import (
    curves,
    decile_calibration,
    gain_curve,
    lift_curve,
    metric_bars,
    reliability,
    reliability_of_models,
)


def texts(figure: Figure) -> list[str]:
    """Every text that the figure shows."""
    png(figure)
    axes = figure.axes[0]
    ticks = [t.get_text() for t in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return [t.get_text() for t in (*figure.texts, *axes.texts)] + ticks


def with_table(outcome: Outcome, table: pd.DataFrame) -> Outcome:
    return replace(outcome, tables={"predictions": table})


def png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50)
    return file.getvalue()


@pytest.fixture
def predictions() -> pd.DataFrame:
    random = np.random.default_rng(0)
    p = random.random(200)
    return pd.DataFrame({"label": (random.random(200) < p).astype(float), "prediction": p})


def test_bars_are_sorted_with_the_best_on_top_and_named_directly():
    estimates = {"a": Estimate(0.1, 0.05, 0.2), "b": Estimate(0.3, np.nan, np.nan)}
    figure = metric_bars({**estimates, "c": Estimate(np.nan, np.nan, np.nan)}, "title")
    shown = texts(figure)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["a", "b"]
    assert "0.1000" in shown
    assert "0.3000" in shown


def test_a_curve_marks_its_best_epoch():
    assert "0.3000 at 2" in texts(curves({"gru4rec": [0.1, 0.3, 0.2]}, "ndcg"))
    assert "0.1000 at 1" in texts(curves({"x": [0.1, 0.3]}, "loss", maximise=False))


def test_a_curve_without_any_value_is_left_out():
    nothing = [float("nan")] * 3
    assert "0.3000 at 2" in texts(curves({"a": nothing, "b": [0.1, 0.3]}, "ndcg"))
    png(curves({"a": nothing}, "ndcg"))


def test_the_lift_curve_states_the_lift_at_a_tenth(predictions):
    top = predictions.sort_values("prediction", ascending=False).head(20)["label"].mean()
    expected = f"{top / predictions['label'].mean():.2f} at 10 %"
    assert expected in texts(lift_curve({"m": predictions}, "leavers"))


def test_the_gain_curve_ends_at_all_positives(predictions):
    figure = gain_curve({"m": predictions, "other": predictions}, "leavers")
    x, y = figure.axes[0].lines[0].get_data()
    assert (x[0], y[0]) == (0, 0)
    assert (x[-1], y[-1]) == (100, 100)
    assert (np.diff(y) >= 0).all()


@pytest.mark.parametrize(
    "draw",
    [
        lambda t: reliability({"m": t}),
        lambda t: reliability_of_models({"m": t, "n": t}),
        decile_calibration,
    ],
)
def test_calibration_plots_render(draw, predictions):
    assert png(draw(predictions)).startswith(b"\x89PNG")


def test_an_iterative_recommender_has_its_curves_and_metrics(recommenders, ranking_columns):
    figures = outcome_figures(recommenders[2], "ndcg_at_10", ranking_columns)
    assert set(figures) == {"curve_loss", "curve_valid_ndcg_at_10", "metrics"}
    assert all(png(figure).startswith(b"\x89PNG") for figure in figures.values())


def test_scores_that_are_not_probabilities_have_no_reliability_plot(churn_models):
    assert "calibration" not in outcome_figures(churn_models[0], "roc_auc", ())
    assert {"calibration", "lift", "gain"} <= set(outcome_figures(churn_models[1], "roc_auc", ()))


def test_a_value_outcome_has_decile_calibration_and_gain(churn_models):
    table = churn_models[1].tables["predictions"]
    spent = table.assign(label=np.linspace(0, 90, len(table)), prediction=50.0)
    figures = outcome_figures(with_table(churn_models[1], spent), "spearman", ())
    assert {"calibration", "gain"} <= set(figures)
    assert "lift" not in figures


def test_customers_who_all_stay_leave_nothing_to_plot(churn_models):
    quiet = Comparison(
        {0: [with_table(o, o.tables["predictions"].assign(label=0.0)) for o in churn_models]},
        "roc_auc",
        True,
    )
    assert set(quiet.figures()) == {"leaderboard"}


def test_a_comparison_has_its_leaderboard_and_the_models_curves(recommenders, churn_models):
    ranking = Comparison({0: recommenders}, "ndcg_at_10", True, ("popularity",)).figures()
    assert set(ranking) == {"leaderboard", "curves"}
    churn = Comparison({0: churn_models}, "roc_auc", True).figures()
    assert set(churn) == {"leaderboard", "lift", "gain", "calibration"}
    assert all(
        png(figure).startswith(b"\x89PNG") for figure in (*ranking.values(), *churn.values())
    )


HOSTILE = [r"a $\frac{$ b", "$5 to $9", "$x^$", "\x1b[31m\u202ered", "a\nb", "<b>&amp;</b>"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_of_the_data_is_drawn_as_it_is(text, predictions):
    renamed = {text: predictions, "b": predictions}
    bars = {text: Estimate(0.1, 0.05, 0.2), "b": Estimate(0.2, 0.1, 0.3)}
    figures = [
        metric_bars(bars, text, subtitle=text),
        gain_curve(renamed, "leavers"),
        curves({text: [0.1, 0.2]}, text),
    ]
    for figure in figures:
        png(figure)
    drawn = [t.get_text() for t in figures[0].axes[0].get_yticklabels()]
    assert visible_text(text).replace("$", r"\$") in drawn
