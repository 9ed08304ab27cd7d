"""Two promotions at once on a registry in PostgreSQL, on a server that the test starts."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient
from tests.cli.test_tune_postgresql import server  # noqa: F401
from tests.registry.test_registry import FIRST, assert_one_wins, change, race

from growthlab.registry.model_registry import move_champion
from growthlab.registry.registry_lock import locked_registry

pytestmark = pytest.mark.drill


def test_on_a_database_server_one_of_two_promotions_wins_and_the_other_is_refused(
    server: str,  # noqa: F811
) -> None:
    client, name = MlflowClient(tracking_uri=server, registry_uri=server), "shop-top_n"
    client.create_registered_model(name)
    for _ in range(3):
        client.create_model_version(name, source="file:///nowhere", run_id="r1")
    move_champion(client, name, change("1", None, FIRST))
    assert_one_wins(client, name, race(server, name))
    client.create_registered_model(f"{name}.lock", tags={"token": "dead", "by": "carl"})
    with locked_registry(client, name, "anna", lease=0.3):
        assert client.get_registered_model(f"{name}.lock").tags["by"] == "anna"
    assert len(client.search_registered_models()) == 1
