"""The Containerfile: its steps make a service that runs as nobody in particular and changes nothing."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.patience import PATIENCE
from tests.ports import free_port

from growthlab.bundle.manifest import Provenance
from growthlab.core.histories import Catalogue, Histories
from growthlab.core.pseudonyms import KEY_VARIABLE
from growthlab.export.write_bundle import write_recommender
from growthlab.models.recommend.popularity import Popularity
from growthlab.serving.request_limits import TOKEN_VARIABLE
from growthlab.tasks.top_n import TopN
from growthlab.training.fit_options import FitOptions

from .container_steps import ROOT, Container, steps_of

TEXT = (ROOT / "Containerfile").read_text()
USER = 10001
KEY = "a key for this test alone, 32 bytes or more"


def anybody_s(python: str) -> bool:
    """Whether another user may run this Python."""
    parts = [Path(python).resolve(), *Path(python).resolve().parents]
    return all(part.stat().st_mode & 0o005 == 0o005 for part in parts)


def base_python() -> str:
    """A Python of this version without packages that every user may run, else the tests' own."""
    ours = getattr(sys, "_base_executable", sys.executable)
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = [ours, shutil.which(minor, path="/usr/bin:/usr/local/bin")]
    return next((p for p in found if p and anybody_s(p)), ours)


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    """What the steps make; the packages of the serving set are those of the tests, not downloaded."""
    with tempfile.TemporaryDirectory(prefix="container-") as name:
        root = Path(name)
        root.chmod(0o755)
        offline = {"PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PYTHONPATH": site()}
        made = Container(root, base_python(), offline)
        made.do(steps_of(TEXT))
        (packages,) = root.glob("opt/growthlab/lib/python*/site-packages")
        (packages / "of_the_tests.pth").write_text(f"{site()}\n")
        yield made


def site() -> str:
    """Where the packages of the tests are."""
    return str(Path(np.__file__).parents[1])


@pytest.fixture(scope="module")
def bundle(container: Container) -> Path:
    """A bundle where the container has it mounted, which nobody can write to."""
    lists = Histories.from_lists(Catalogue(np.array(["cup", "tea"])), [["tea"], ["tea", "cup"]])
    histories = replace(
        lists, user_ids=np.array(["ann", "bob"]), user_codes=np.arange(2, dtype=np.int32)
    )
    about = Provenance(
        task="top_n",
        answer=TopN.answer,
        model="popularity",
        data="d",
        data_digest="0",
        split="none",
    )
    model = Popularity().fit(histories, FitOptions())
    counts = np.array([1.0, 2.0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, KEY)
        folder = write_recommender(
            container.root / "bundles" / "top_n",
            model.scorer(),
            about,
            histories=histories,
            fallback=counts,
        )
    for path in [folder, folder.parent, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


def test_the_steps_leave_a_user_who_owns_nothing_but_the_log(container: Container) -> None:
    assert container.user == str(USER)
    assert container.ports == ["8000"]
    log = container.root / "var" / "log" / "growthlab"
    if os.geteuid() == 0:
        assert log.stat().st_uid == USER
        owned = [p for p in container.root.rglob("*") if p.lstat().st_uid == USER]
        assert log in owned
        assert [p for p in owned if not p.is_relative_to(log)] == []
    assert not list((container.root / "opt").rglob("growthlab/conf/local"))


def test_the_plain_install_is_asked_for_and_no_secret_is_in_the_file() -> None:
    (installed,) = re.findall(r"RUN .*pip install.*", TEXT)
    assert installed.endswith('"$(ls /dist/growthlab-*.whl)[lightgbm]"')
    variables = [step.rest for step in steps_of(TEXT) if step.name in ("ENV", "ARG")]
    assert variables == ["PYTHONDONTWRITEBYTECODE=1"]
    copied = [step.rest.split() for step in steps_of(TEXT) if step.name == "COPY"]
    sources = {word for words in copied for word in words[:-1] if not word.startswith("-")}
    assert sources == {
        *("pyproject.toml", "README.md", "LICENSE", "constraints.txt", "conf", "src", "/dist")
    }
    kept = {x[1:] for x in (ROOT / ".dockerignore").read_text().split() if x.startswith("!")}
    assert kept == sources - {"/dist"}


def test_the_image_holds_what_lightgbm_is_linked_to() -> None:
    found = importlib.util.find_spec("lightgbm")
    assert found is not None
    assert found.origin is not None
    library = Path(found.origin).parent / "lib" / "lib_lightgbm.so"
    if b"libgomp.so.1" in library.read_bytes():  # which a slim base image has not
        assert re.search(
            r"^RUN apt-get update && apt-get install .*\blibgomp1\b", TEXT, re.MULTILINE
        )


def test_user_and_group_have_one_number_and_the_health_check_is_not_dropped() -> None:
    steps = [step.rest for step in steps_of(TEXT) if step.name == "RUN"]
    (account,) = [rest for rest in steps if rest.startswith("useradd")]
    assert f"--uid {USER} --gid {USER}" in account  # else the group is another than the log's
    assert f"groupadd --gid {USER} growthlab" in steps
    assert "podman build --format docker" in TEXT  # OCI images have no HEALTHCHECK


def test_the_service_answers_as_another_user_from_a_bundle_that_it_cannot_change(
    container: Container, bundle: Path, tmp_path: Path
) -> None:
    port = free_port()
    words = [*container.entrypoint, *container.command, f"port={port}"]
    other = os.geteuid() == 0 and anybody_s(container.python)
    who = {"user": USER, "group": USER, "extra_groups": []} if other else {}
    variables = {**container.variables, KEY_VARIABLE: KEY, "HOME": "/nonexistent"}
    open_to_all = subprocess.run(
        words, env=variables, cwd="/", capture_output=True, text=True, **who
    )
    assert open_to_all.returncode == 2, open_to_all.stderr
    assert open_to_all.stderr.startswith(
        "growthlab: host=0.0.0.0 can be reached from other machines"
    )
    variables[TOKEN_VARIABLE] = "a token for this test alone"
    said = tmp_path / "said"
    with said.open("w") as file:
        service = subprocess.Popen(
            words, env=variables, cwd="/", stdout=file, stderr=subprocess.STDOUT, **who
        )
    try:
        health = [word.replace(":8000", f":{port}") for word in container.health]
        assert healthy(health, variables, service), said.read_text()
        body = b'{"user_id": null, "k": 2}'
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {variables[TOKEN_VARIABLE]}",
        }
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/recommend", body, headers)
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
            assert b'"tea"' in answer.read()
        if other:
            assert Path(f"/proc/{service.pid}").stat().st_uid == USER
    finally:
        service.terminate()
        service.wait(PATIENCE)
    log = container.root / "var" / "log" / "growthlab" / "requests.jsonl"
    assert log.read_text().count("\n") == 1
    gone = subprocess.run(health, env=variables, capture_output=True)
    assert gone.returncode != 0  # the check can fail


def healthy(check: list[str], variables: dict[str, str], service: subprocess.Popen[bytes]) -> bool:
    """Whether the health check of the file says so before it ends."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and service.poll() is None:
        if subprocess.run(check, env=variables, capture_output=True).returncode == 0:
            return True
        time.sleep(0.2)
    return False
