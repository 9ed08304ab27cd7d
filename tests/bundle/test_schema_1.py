"""Bundles that were written before manifests said what they answer are read, served and refreshed.

The folder ``schema_1`` holds one for each of the three tasks that there were, written by growthlab
0.1.0 with a pseudonym key for tests: days since the last purchase are 10 for anna and 90 for bert.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from growthlab.bundle.answers import PredictRequest, RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import SCHEMA_1_ANSWERS, Manifest
from growthlab.data.event_log import EventLog
from growthlab.export.refresh_state import refresh
from growthlab.serving.service import Service
from growthlab.serving.service_options import ServiceOptions
from growthlab.tasks.churn import Churn
from growthlab.tasks.top_n import TopN

OLD = Path(__file__).with_name("schema_1")


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The three bundles, and the key of their writing."""
    monkeypatch.setenv(
        "GROWTHLAB_PSEUDONYM_KEY", "a key for bundles in tests, and for nothing else"
    )
    shutil.copytree(OLD, tmp_path / "old")
    return tmp_path / "old"


@pytest.mark.parametrize("task", list(SCHEMA_1_ANSWERS))
def test_their_manifests_say_nothing_and_are_completed(old: Path, task: str) -> None:
    content = json.loads((old / task / "manifest.json").read_text())
    assert content["schema_version"] == 1
    assert "answer" not in content
    manifest = Manifest.read(old / task)
    assert (manifest.answer, manifest.schema_version) == (SCHEMA_1_ANSWERS[task], 3)
    assert not Bundle.load(old / task).no_lookup


def test_they_answer_as_they_did(old: Path) -> None:
    (known,) = Bundle.load(old / "top_n").recommend([RecommendRequest("anna")], 2)
    assert (known.served, [item.item for item in known.items]) == ("known", ["cup", "coffee"])
    churn, value = (Bundle.load(old / task) for task in ("churn", "value"))
    requests = [PredictRequest("anna"), PredictRequest("bert"), PredictRequest("nobody")]
    # 0.1 at 0 days and 0.9 at 100; 100 at 0 days and 0 at 100
    assert [a.value for a in churn.predict(requests)] == pytest.approx([0.18, 0.82, 0.5])
    assert [a.value for a in value.predict(requests)] == pytest.approx([90.0, 10.0, 20.0])


def test_they_are_served_at_the_paths_of_their_tasks(old: Path) -> None:
    service = Service(ServiceOptions(bundle=str(old)))
    loaded = {task: model.endpoints[0].path for _, task, model in service.models}
    assert loaded == {"top_n": "/recommend", "churn": "/churn", "value": "/value"}
    service.models.close()


def test_a_refresh_writes_the_manifest_of_today(old: Path) -> None:
    events = EventLog.from_frames(
        pd.DataFrame(
            {
                "user_id": ["anna", "carl"],
                "item_id": ["cup", "tea"],
                "timestamp": pd.to_datetime(["2024-03-05", "2024-03-06"]),
                "event_type": "purchase",
            }
        )
    )
    for task in (TopN(), replace(Churn(), min_history_days=0)):
        folder = old / task.name
        before = Manifest.read(folder)
        refresh(
            folder, events, "corner_shop", task=task, cutoff=datetime(2024, 3, 20), same_data=False
        )
        content = json.loads((folder / "manifest.json").read_text())
        assert content["schema_version"] == 3
        assert content["answer"]["endpoint"] == before.answer.endpoint
        assert list(content["earlier"]) == [before.version]
        assert Bundle.load(folder).manifest.answer == before.answer
