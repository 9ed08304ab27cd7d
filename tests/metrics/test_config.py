"""Every metric has one file and one yaml, and the columns of the leaderboard are names that it logs."""

from doctest import DocTestParser
from pathlib import Path

import pytest
import yaml

from growthlab.evaluation.leaderboard_columns import build_metrics
from growthlab.metrics.best_arm.base import OfArms, PerCustomer
from growthlab.metrics.ranking.base import Overall, PerUser, Pooled
from growthlab.tasks.objective import value_names

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "conf" / "metrics").glob("*/*.yaml"))


CONTRACTS = {"ranking": (PerUser, Pooled, Overall), "best_arm": (PerCustomer, OfArms)}


def built(path: Path):
    """The metric of a yaml file, and the columns that it adds to the leaderboard."""
    metrics, columns = build_metrics({path.stem: yaml.safe_load(path.read_text())})
    return metrics[path.stem], columns


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_the_yaml_builds_its_metric(path):
    assert path.read_text().startswith(f"# @package metrics.{path.stem}\n")
    assert f"growthlab.metrics.{path.parent.name}.{path.stem}." in path.read_text()
    metric, _ = built(path)
    assert isinstance(metric.larger_is_better, bool)
    if path.parent.name in CONTRACTS:
        assert isinstance(metric, CONTRACTS[path.parent.name])
    else:
        assert callable(metric)
        assert metric.name


def test_every_metric_file_has_a_yaml():
    package = ROOT / "src" / "growthlab" / "metrics"
    modules = {p.relative_to(package).with_suffix("") for p in package.glob("*/*.py")}
    modules = {m for m in modules if m.name not in ("__init__", "base")}
    assert modules == {p.relative_to(ROOT / "conf" / "metrics").with_suffix("") for p in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_the_docstring_of_a_metric_has_an_example(path):
    # which is run with the doctests of src
    found = DocTestParser().get_examples(type(built(path)[0]).__dict__["__doc__"])
    assert [example for example in found if example.want]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_the_columns_of_a_metric_are_names_that_it_logs(path):
    metric, columns = built(path)
    assert {column.metric for column in columns} <= set(value_names(metric, path.stem))


def test_no_two_columns_of_a_family_have_the_same_place():
    for family in {path.parent.name for path in CONFIGS}:
        nodes = [yaml.safe_load(p.read_text()) for p in CONFIGS if p.parent.name == family]
        places = [place for node in nodes for place in node.get("leaderboard", {}).values()]
        assert len(places) == len(set(places)), family
