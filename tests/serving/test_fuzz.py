"""Requests made from the OpenAPI document: each is answered or refused as the document says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

schemathesis = pytest.importorskip("schemathesis")
# no document says which features and columns a bundle has: without them a right request is refused
positive_data_acceptance = pytest.importorskip(
    "schemathesis.specs.openapi.checks"
).positive_data_acceptance

N_REQUESTS = int(os.environ.get("GROWTHLAB_FUZZED_REQUESTS", "60"))  # of all paths together


def test_fuzzed_requests_are_answered_as_the_document_says(
    served: Callable[..., Any], tmp_path: Path
) -> None:
    client: httpx.Client = served(log=str(tmp_path / "log.jsonl")).client
    schema = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 10
    for operation in operations:

        @settings(
            max_examples=max(1, N_REQUESTS // len(operations)),
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def each(case: Any) -> None:
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        each()
    assert client.get("/ready").is_success
    assert 'status="500"' not in client.get("/metrics").text
