"""A new bundle answers in a process of its own before the service believes it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import psutil
import pytest
from tests.hostile_bundles import change_array, renew, with_value
from tests.patience import PATIENCE, wait_until

from growthlab.bundle.manifest import Manifest, Provenance
from growthlab.core.errors import BundleError
from growthlab.export.write_bundle import write_estimator
from growthlab.features.examples import Examples
from growthlab.scorers.linear_row_scorer import Design
from growthlab.scorers.onnx_row_scorer import OnnxRowScorer
from growthlab.serving import bundle_loader, self_test_process
from growthlab.serving.bundle_loader import BundleLoader
from growthlab.serving.self_test_process import SelfTestProcess
from growthlab.serving.service_options import ServiceOptions
from growthlab.tasks.churn import Churn

Write = Callable[..., None]
LIMITS = {"seconds": 30, "megabytes": 4096}
SIDE = 12_000  # of the matrices of a network that never ends


def network(slow: bool) -> bytes:
    """``scores`` of three intervals from two features; a slow one multiplies huge matrices first."""
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    weights = [numpy_helper.from_array(np.ones((1, 3), dtype=np.float32), "weights")]
    nodes = [helper.make_node("MatMul", ["features", "weights"], ["scores"])]
    if slow:
        weights.append(numpy_helper.from_array(np.array([SIDE, SIDE]), "shape"))
        nodes = [
            helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
            helper.make_node("MatMul", ["zeros", "zeros"], ["product"]),
            helper.make_node("ReduceMax", ["product"], ["zero"], keepdims=0),
            helper.make_node("Add", ["features", "zero"], ["same"]),
            helper.make_node("MatMul", ["same", "weights"], ["scores"]),
        ]
    values = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", width])
        for name, width in (("features", 1), ("scores", 3))
    ]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], weights)
    opset = [helper.make_opsetid("", 17)]
    content: bytes = helper.make_model(graph, ir_version=8, opset_imports=opset).SerializeToString()
    return content


@pytest.fixture
def churn_network(tmp_path: Path, bundles_folder: Path) -> Path:
    """A bundle of a network for churn."""
    table = pd.DataFrame({"days_since_last": [10.0, 90.0]})
    snapshots = np.full(2, np.datetime64("2024-03-01", "us"))
    customers = Examples(table, np.array(["anna", "bert"]), snapshots, 28.0)
    design = Design(("days_since_last",), *np.array([[0.0], [0.0], [1.0]]))
    about = Provenance(
        task="churn",
        answer=Churn.answer,
        model="gru_hazard",
        data="corner_shop",
        data_digest="ab" * 32,
        split="global_time",
        horizon_days=28.0,
    )
    scorer = OnnxRowScorer(design, "survival", network(slow=False))
    return write_estimator(tmp_path / "network", scorer, about, customers=customers, base=0.5)


@pytest.fixture
def slow_network(churn_network: Path) -> Path:
    """The same with a network that takes for ever, and gigabytes."""
    (churn_network / "model.onnx").write_bytes(network(slow=True))
    renew(churn_network)
    return churn_network


@pytest.fixture
def runs_instead(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Lets every self-test run other code, as if the bundle had made it do so."""
    monkeypatch.setattr(bundle_loader, "_passed", set())

    def run(code: str) -> None:
        monkeypatch.setattr(self_test_process, "SELF_TEST", ("-c", code))

    return run


def refusal(folder: Path, **limits: Any) -> str:
    test = SelfTestProcess(folder, **{**LIMITS, **limits})
    try:
        with pytest.raises(BundleError) as caught:
            test.passed()
    finally:
        test.close()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("task", ["top_n", "churn", "value"])
def test_a_sound_bundle_passes(bundles_folder: Path, task: str) -> None:
    test = SelfTestProcess(bundles_folder / task, **LIMITS)  # type: ignore[arg-type]
    assert test.passed() == Manifest.read(bundles_folder / task).digest
    test.close()


def test_a_network_passes_without_what_makes_it_slow(churn_network: Path) -> None:
    test = SelfTestProcess(churn_network, **LIMITS)  # type: ignore[arg-type]
    assert test.passed() == Manifest.read(churn_network).digest
    test.close()


def test_a_network_that_does_not_end_is_killed(slow_network: Path) -> None:
    line = refusal(slow_network, seconds=2, megabytes=2**20)
    assert line == f"{slow_network} is not believed: its self-test took longer than " + (
        "self_test_seconds=2"
    )


def test_a_network_that_needs_too_much_memory_is_refused(slow_network: Path) -> None:
    assert str(slow_network) in refusal(slow_network, seconds=60, megabytes=1024)


def test_what_is_wrong_with_a_bundle_is_said_as_where_it_is_loaded(
    bundles_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(bundles_folder / "top_n", tmp_path / "shop")
    change_array(tmp_path / "shop", "fallback.npz", "scores", lambda scores: scores[:3])
    assert "scores must have the shape (n_items (n_items = 4)), got (3,)" in refusal(
        tmp_path / "shop"
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os.kill(os.getpid(), 11)", "ended with signal 11 (SIGSEGV)"),
        ("import os; os.abort()", "ended with signal 6 (SIGABRT)"),
        ("raise SystemExit(3)", "ended with status 3"),
        ("raise MemoryError", "ended with status 1"),
        ("", "ended with status 0"),
        ("print('x' * 100_000)", "its self-test says too much"),
        ("print('yes')", "ended with status 0"),
        ("print('{}')", "ended with status 0"),
        ('print(\'{"passed": 1, "refused": 2}\')', "ended with status 0"),
        ("print('[]')", "ended with status 0"),
        ("import time; time.sleep(9999)", "took longer than self_test_seconds=1"),
    ],
)
def test_a_process_that_dies_or_does_not_answer_is_a_refusal(
    bundles_folder: Path,
    runs_instead: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    message: str,
) -> None:
    runs_instead(code)
    if "sleep" in code:
        monkeypatch.setattr(self_test_process, "WAITING", 0.5)
    seconds = 1 if "sleep" in code else 60
    line = refusal(bundles_folder / "top_n", seconds=seconds)
    assert line.startswith(f"{bundles_folder / 'top_n'} is not believed: its self-test ")
    assert message in line


def test_a_bundle_under_test_has_no_keys_and_no_token(
    bundles_folder: Path, runs_instead: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TOKEN", "SIGNING_KEY", "PSEUDONYM_KEY", "SIGNING_KEY_FILE", "KEY_FILE"):
        monkeypatch.setenv(f"GROWTHLAB_{name}", "secret")
    runs_instead(
        "import json, os; names = [n for n, value in os.environ.items() if value == 'secret'];"
        "print(json.dumps({'refused': ' '.join(names) or 'none'}))"
    )
    assert refusal(bundles_folder / "top_n") == "none"


def refused(client: httpx.Client, folder: Path) -> str:
    return str(client.get("/health").json()["refused"].get(str(folder), ""))


@pytest.mark.parametrize("variant", ["champion", "challenger"])
def test_a_new_bundle_that_dies_in_its_test_is_refused_and_the_old_one_answers(
    served: Callable[..., Any],
    tmp_path: Path,
    write_shop: Write,
    runs_instead: Callable[[str], None],
    variant: str,
) -> None:
    for name in ("champion", "challenger"):
        write_shop(tmp_path / name, model=name)
    options = {"challenger": str(tmp_path / "challenger"), "challenger_share": 0.5}
    client = served(tmp_path / "champion", reload_seconds=0.05, **options).client
    folder = tmp_path / variant
    runs_instead("import os; os.kill(os.getpid(), 11)")
    write_shop(folder, model="evil", overwrite=True)
    wait_until(lambda: "ended with signal 11" in refused(client, folder))
    for number in range(30):
        answer = client.post("/recommend", json={"user_id": f"u{number}"}).json()
        assert answer["model"]["name"] in ("champion", "challenger")
    assert "growthlab_refused_bundles 1\n" in client.get("/metrics").text


@pytest.mark.parametrize(
    ("file", "name", "place", "value", "message"),
    [
        ("model.npz", "weights_indices", 0, 10**6, "weights_indices must lie in 0 ... 3"),
        ("model.npz", "weights_indices", 0, -7, "weights_indices must lie in 0 ... 3, got -7"),
        ("fallback.npz", "scores", 0, np.nan, "scores must be finite"),
        ("state/histories.npz", "items", 0, 10**6, "items must lie in 0 ... 3"),
    ],
)
def test_hostile_arrays_do_not_reach_a_running_service(
    served: Callable[..., Any],
    tmp_path: Path,
    write_shop: Write,
    file: str,
    name: str,
    place: int,
    value: float,
    message: str,
) -> None:
    shop = tmp_path / "shop"
    write_shop(shop, model="first")
    client = served(shop, reload_seconds=0.05).client
    hostile = tmp_path / "hostile"
    write_shop(hostile, model="evil")
    change_array(hostile, file, name, with_value(place, value))
    shop.rename(tmp_path / "old")
    hostile.rename(shop)
    wait_until(lambda: message in refused(client, shop))
    answer = client.post("/recommend", json={"user_id": "anna", "k": 1}).json()
    assert (answer["model"]["name"], answer["items"][0]["item"]) == ("first", "cup")


def test_a_service_that_stops_kills_a_test_in_progress(
    served: Callable[..., Any],
    tmp_path: Path,
    write_shop: Write,
    runs_instead: Callable[[str], None],
) -> None:
    write_shop(tmp_path / "shop", model="first")
    running = served(tmp_path / "shop", reload_seconds=0.05, self_test_seconds=10**6)
    note = tmp_path / "pid"
    runs_instead(
        f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid()) + '.');time.sleep(10**6)"
    )
    write_shop(tmp_path / "shop", model="second", overwrite=True)
    wait_until(lambda: note.exists() and note.read_text().endswith("."))
    pid = int(note.read_text().rstrip("."))
    assert running.client.post("/recommend", json={}).is_success  # while the test goes on
    running.service.models.close()
    wait_until(lambda: not psutil.pid_exists(pid))
    assert running.service.models.newer() == []
    assert running.service.models.refused == {}


def test_a_bundle_that_passed_is_not_tested_again(
    served: Callable[..., Any],
    tmp_path: Path,
    write_shop: Write,
    runs_instead: Callable[[str], None],
) -> None:
    for name in ("first", "second"):
        write_shop(tmp_path / name, model=name)
    current = tmp_path / "current"
    current.symlink_to(tmp_path / "first")
    client = served(current, reload_seconds=0.05).client

    def serves(name: str) -> bool:
        models = client.get("/version").json()["models"]
        return bool(models["champion"]["top_n"]["name"] == name)

    def point_to(name: str) -> None:
        (tmp_path / "next").symlink_to(tmp_path / name)
        (tmp_path / "next").replace(current)

    point_to("second")
    wait_until(lambda: serves("second"))
    runs_instead("raise SystemExit(1)")
    point_to("first")
    wait_until(lambda: serves("first"))


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory and signals are Linux's")
@pytest.mark.parametrize("interrupted", [False, True])
def test_at_the_start_a_bundle_that_does_not_end_is_one_line_and_holds_up_no_signal(
    slow_network: Path, interrupted: bool
) -> None:
    seconds = 10**6 if interrupted else 2
    words = [f"bundle={slow_network}", "port=0", f"self_test_seconds={seconds}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "growthlab.serving", *words, f"self_test_mb={2**20}"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"GROWTHLAB_PSEUDONYM_KEY": "x" * 40},
    )
    killer = threading.Timer(PATIENCE, process.kill)
    killer.start()
    try:
        if interrupted:
            parent = psutil.Process(process.pid)
            wait_until(lambda: parent.children())
            (child,) = parent.children()
            process.send_signal(signal.SIGTERM)
            process.communicate()
            wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
            return
        _, said = process.communicate()
        last = said.splitlines()[-1]
        assert process.returncode == 2
        assert last.endswith("is not believed: its self-test took longer than self_test_seconds=2")
    finally:
        killer.cancel()
        process.kill()


def test_the_test_that_was_begun_is_the_one_that_is_waited_for(
    bundles_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_loader, "_passed", set())
    started = count_self_tests(monkeypatch)
    folder = bundles_folder / "top_n"
    loader = BundleLoader(ServiceOptions(bundle=str(folder)))
    with loader.begun([folder]):
        assert started == [folder]
        assert loader.first(folder).manifest.digest == Manifest.read(folder).digest
    assert started == [folder]


def test_a_test_that_was_begun_ends_with_a_service_that_does_not_start(
    bundles_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_loader, "_passed", set())
    folder = bundles_folder / "top_n"
    loader = BundleLoader(ServiceOptions(bundle=str(folder)))
    closed = []
    monkeypatch.setattr(SelfTestProcess, "close", lambda test: closed.append(test))
    with pytest.raises(BundleError, match="another one"), loader.begun([folder]):
        raise BundleError("another one is broken")
    (test,) = closed
    monkeypatch.undo()
    test.close()


def count_self_tests(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders of the self-tests that are started from now on."""
    started: list[Path] = []

    def start(folder: Path, **limits: Any) -> SelfTestProcess:
        started.append(folder)
        return SelfTestProcess(folder, **limits)

    monkeypatch.setattr(bundle_loader, "SelfTestProcess", start)
    return started
