"""Each study says its answer first, runs by the one driver, and its tables are its results."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import json
import pkgutil
import re
import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pandas as pd
import pytest
import yaml

from growthlab.cli.main import main
from growthlab.config.compose import compose

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"
STUDIES = sorted(path for path in EXPERIMENTS.glob("[0-9]*") if path.is_dir())
COLUMNS = "task data protocol split model seed metric value low high fit_seconds device code_version run_id"
MOST_WORDS = 1200
each_study = pytest.mark.parametrize("study", STUDIES, ids=lambda p: p.name)


@pytest.fixture(scope="module")
def driver() -> ModuleType:
    """experiments/study.py as a module."""
    spec = importlib.util.spec_from_file_location("study", EXPERIMENTS / "study.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["study"] = module
    spec.loader.exec_module(module)
    return module


class Ended(NamedTuple):
    """How a script ended, and what it said."""

    status: Any
    out: str
    err: str


def script(path: Path, *words: str, cwd: Path) -> Ended:
    """Run a script in this process, as in one of its own.

    What it imports from beside itself is loaded anew, and gone afterwards; pandas and the like are not.
    """
    out, err, loaded = io.StringIO(), io.StringIO(), beside_studies()
    with pytest.MonkeyPatch.context() as patch:
        for name in loaded:
            patch.delitem(sys.modules, name)
        patch.setattr(sys, "argv", [str(path), *words])
        patch.setenv("PYTHONPATH", str(ROOT / "src"))  # of the commands that it starts
        patch.setattr(sys, "path", [str(path.parent), *sys.path])
        patch.chdir(cwd)
        status: Any = 0
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                runpy.run_path(str(path), run_name="__main__")
        except SystemExit as ended:
            status = ended.code or 0
        finally:
            for name in beside_studies():
                del sys.modules[name]
    return Ended(status, out.getvalue(), err.getvalue())


def beside_studies() -> list[str]:
    """The names of the modules that lie in a folder called experiments."""
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    return [name for name, file in files.items() if file and "experiments" in Path(file).parts]


@each_study
def test_its_folder_holds_the_same_files_as_every_other(study: Path) -> None:
    files = {path.name for path in study.iterdir()}
    assert {"README.md", "plan.yaml", "run.py", "table.py", "results.csv", "figures"} <= files
    assert list((study / "figures").glob("*.png"))


@each_study
def test_its_results_have_the_common_columns_and_no_row_twice(study: Path) -> None:
    results = pd.read_csv(study / "results.csv")
    assert list(results.columns) == COLUMNS.split()
    assert not results.duplicated(["task", "data", "protocol", "model", "seed", "metric"]).any()
    assert results["value"].notna().all()
    outside = (results["low"] - results["value"]).clip(0) + (
        results["value"] - results["high"]
    ).clip(0)
    assert (outside.fillna(0) < 1e-6).all()  # values are rounded to six digits


@each_study
def test_its_answer_with_a_figure_stands_in_the_first_five_lines(study: Path) -> None:
    first = (study / "README.md").read_text().splitlines()[:5]
    (answer,) = [i for i, line in enumerate(first) if line.startswith("**Answer:** ")]
    assert re.search(r"\d", "".join(first[answer:]))
    assert "Question" in (study / "README.md").read_text()


@each_study
def test_its_readme_is_short(study: Path) -> None:
    words = (study / "README.md").read_text().split()
    assert sum(bool(re.search(r"\w", word)) for word in words) <= MOST_WORDS  # bars are none


def test_every_study_is_a_row_of_the_overview_with_its_answer_and_command() -> None:
    overview = (EXPERIMENTS / "README.md").read_text()
    rows = dict(re.findall(r"^\| \[[^\]]+\]\((\d\d[^/]+)/README.md\) \|(.+)\|$", overview, re.M))
    assert list(rows) == [study.name for study in STUDIES]
    for name, row in rows.items():
        _, answer, command = row.split("|")
        assert re.search(r"\d", answer), name
        assert f"`make study NN={name[:2]}" in command


@each_study
def test_its_tables_are_rebuilt_from_its_results(study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "experiments" / study.name
    shutil.copytree(study, copy)
    shutil.rmtree(copy / "tables", ignore_errors=True)
    for shared in EXPERIMENTS.glob("*.py"):
        shutil.copy(shared, copy.parent)
    done = script(copy / "table.py", cwd=tmp_path)
    assert done.status == 0, done.err
    assert (copy / "README.md").read_text() == (study / "README.md").read_text()
    assert {p.name: p.read_text() for p in (copy / "tables").glob("*")} == {
        p.name: p.read_text() for p in (study / "tables").glob("*")
    }


@each_study
def test_it_has_the_common_command_line(study: Path, tmp_path: Path) -> None:
    shown = script(study / "run.py", "--help", cwd=tmp_path)
    assert shown.status == 0, shown.err
    needs_data = "data" in yaml.safe_load((study / "plan.yaml").read_text())
    usage = "usage: run.py [-h] [--only NAME [NAME ...]]" + " DATA" * needs_data
    on_a_cluster = " [--cluster HOST:PORT]"  # of the common driver
    assert shown.out.splitlines()[0].replace(on_a_cluster, "") == usage


@each_study
def test_every_command_of_its_plan_composes(study: Path, driver: ModuleType) -> None:
    for step in driver.Study(str(study / "run.py")).steps:
        if step.words:
            command, *words = step.words
            compose(command, [*words, f"+tags.step='{step.name}'"])


@pytest.fixture(scope="module")
def small_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two quick comparisons, in a folder of its own."""
    folder = tmp_path_factory.mktemp("house") / "experiments" / "90-small"
    folder.mkdir(parents=True)
    shutil.copy(EXPERIMENTS / "study.py", folder.parent)
    shutil.copy(EXPERIMENTS / "01-online-retail" / "run.py", folder)
    command = (
        "compare data.users=150 data.items=60 data.days=150 metrics=[ranking/ndcg] models=[MODEL]"
    )
    rows = [{"model": "popularity", "settings": f"data.seed={seed}"} for seed in (7, 8)]
    parts = {"first": {"command": command, "rows": rows[:1]}, "second": {"command": command}}
    parts["second"] |= {"protocol": "another shop", "rows": rows[1:]}
    (folder / "plan.yaml").write_text(yaml.safe_dump({"parts": parts}, sort_keys=False))
    return folder


def test_the_driver_runs_what_is_left_of_the_plan_and_keeps_what_is_there(
    small_study: Path,
) -> None:
    first = script(small_study / "run.py", "--only", "first", cwd=small_study)
    assert first.status == 0, first.err
    results = pd.read_csv(small_study / "results.csv")
    assert list(results.columns) == COLUMNS.split()
    assert results["protocol"].str.startswith("cutoff ").all()

    both = script(small_study / "run.py", cwd=small_study)
    assert both.status == 0, both.err
    assert "first/popularity: finished before" in both.out
    table = pd.read_csv(small_study / "results.csv")
    assert set(table["protocol"]) == {*results["protocol"], "another shop"}
    kept = table[table["protocol"] != "another shop"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, results)


def test_a_name_that_is_not_in_the_plan_is_refused_with_those_that_are(small_study: Path) -> None:
    refused = script(small_study / "run.py", "--only", "third", cwd=small_study)
    assert refused.status == 2
    possible = "first, first/popularity, second, second/popularity"
    assert refused.err.splitlines()[-1].endswith(f"--only third: possible are {possible}")


@pytest.mark.parametrize("name", ["platform_cost", "evaluation"])
def test_the_functions_that_a_benchmark_times_exist(name: str) -> None:
    for place in benchmark_module(name).PHASES:
        pkgutil.resolve_name(place)  # raises for a name that does not exist


@pytest.mark.parametrize("kind", ["churn", "ranking"])
def test_the_benchmark_of_intervals_measures(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXPERIMENTS / "benchmarks")  # it imports the benchmark beside it
    _, peak_mb, _ = map(float, benchmark_module("intervals").measure(kind, 300, 10).split())
    assert peak_mb > 0


def test_the_benchmark_of_a_gpu_writes_each_step_and_runs_none_twice(tmp_path: Path) -> None:
    gpu, out = benchmark_module("gpu"), tmp_path / "gpu.jsonl"
    only = ["check recommend/neumf", "speed sasrec, cross", "study sasrec, BCE"]
    words = ["--device", "cpu", "--tiny", "--out", str(out), "--only", *only]
    assert gpu.run(gpu.arguments(words)) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["step"].startswith(begin) for line, begin in zip(lines, only, strict=True)]
    assert lines[0]["right"]
    assert lines[0]["loss"] == 0  # the device is the CPU itself
    assert min(lines[1]["made"], lines[1]["ready"]) > 0
    assert lines[2]["epochs"] == 1
    assert gpu.run(gpu.arguments(words)) == 0
    late = [*words[:-3], "check recommend/bpr", "--minutes", "0"]
    assert gpu.run(gpu.arguments(late)) == 1
    more = [json.loads(line) for line in out.read_text().splitlines()][3:]
    assert [line["error"] for line in more] == ["out of time"]


def test_the_benchmark_of_a_gpu_checks_every_network() -> None:
    gpu = benchmark_module("gpu")
    assert {"recommend/gru4rec", "recommend/sasrec", "recommend/neumf", "churn/gru_hazard"} <= {
        "/".join(each) for each in gpu.networks()
    }


def benchmark_module(name: str) -> ModuleType:
    """A benchmark, imported."""
    path = EXPERIMENTS / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    return benchmark


@pytest.fixture
def by_commands(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The planner of study 09 by commands; what it imports from beside itself is gone afterwards."""
    for name in beside_studies():
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(EXPERIMENTS / "09-closed-loop")
    yield importlib.import_module("by_commands")
    for name in beside_studies():
        del sys.modules[name]


def test_a_month_by_commands_says_what_the_functions_say_and_can_be_continued(
    by_commands: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GROWTHLAB_PSEUDONYM_KEY", by_commands.KEY)
    study = yaml.safe_load((by_commands.STUDY / "plan.yaml").read_text())
    arms = {
        "control": {"heuristic": 0.3, "learner": 0.1},
        "explore": {"heuristic": 0.4, "learner": 0.2},
    }
    size = {"users": 400, "items": 30, "months": 2}
    plan = {**study, **arms, "market": size, "months": 1, "ope_months": [1]}
    start = by_commands.Market.start(by_commands.MarketSettings(seed=5, **size))
    scores = by_commands.Scores.of(start)
    ran: list[str] = []

    def in_this_process(words: list[str], folder: Path) -> tuple[int, str]:
        assert folder == tmp_path
        ran.append(" ".join(words[:2] if words[1].isalpha() else words[:1]))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            status = main(words)
        return status, printed.getvalue()

    def loop() -> Any:
        return by_commands.CommandLoop(plan, start, scores, tmp_path, in_this_process)

    rows = loop().run()
    functions = by_commands.Loop(plan, by_commands.NAME, start, scores).run()
    table = by_commands.compared(rows, functions)
    assert len(table) > 20
    assert table["commands"].equals(table["functions"])
    assert "ab_effect" in table.index.get_level_values("metric")
    assert ran == ["plan", "plan outcomes", "ab", "ope"]
    written = tmp_path / "plans" / "heuristic 5 1" / "plan.parquet"
    pd.read_parquet(written).assign(offer=None).to_parquet(
        written
    )  # a plan of one's own: no message
    continued = loop()
    continued.run()
    assert len(continued.market.last.sent) == 0
    assert continued.market.profits[-1].sum() == start.next_month().profits[-1].sum()
    assert ran[4:] == ["ope"]  # which refused, and so left no report
