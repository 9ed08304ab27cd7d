"""Every metric has one file and one yaml, and the names that reports rely on exist."""

import importlib
from pathlib import Path

import pytest
import yaml

from growthlab.evaluation.standings import HEADLINE
from growthlab.metrics.ranking.base import Overall, PerUser, Pooled

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "conf" / "metrics").glob("*/*.yaml"))


def built(path: Path):
    """The metric of a yaml file."""
    settings = yaml.safe_load(path.read_text())
    module, _, name = settings.pop("_target_").rpartition(".")
    return getattr(importlib.import_module(module), name)(**settings)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_the_yaml_builds_its_metric(path):
    assert path.read_text().startswith(f"# @package metrics.{path.stem}\n")
    assert f"growthlab.metrics.{path.parent.name}.{path.stem}." in path.read_text()
    metric = built(path)
    assert isinstance(metric.larger_is_better, bool)
    if path.parent.name == "ranking":
        assert isinstance(metric, (PerUser, Pooled, Overall))
    else:
        assert callable(metric)
        assert metric.name


def test_every_metric_file_has_a_yaml():
    package = ROOT / "src" / "growthlab" / "metrics"
    modules = {p.relative_to(package).with_suffix("") for p in package.glob("*/*.py")}
    modules = {m for m in modules if m.name not in ("__init__", "base")}
    assert modules == {p.relative_to(ROOT / "conf" / "metrics").with_suffix("") for p in CONFIGS}


def test_every_headline_name_is_measured():
    names = set()
    for path in CONFIGS:
        metric = built(path)
        ks = getattr(metric, "k", None)
        names |= {f"{metric.name}_at_{k}" for k in ks} if ks else {metric.name}
    assert set(HEADLINE) <= names
