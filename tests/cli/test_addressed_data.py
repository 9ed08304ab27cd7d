"""Data by address: what opens it comes from the environment, and no byte that a command writes holds it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pyarrow import fs
from tests.cli.conftest import Workspace
from tests.postgresql import postgresql_server
from tests.written_bytes import traces_below

from growthlab.data.simulated_shop import SimulatedShop

SECRETS = {
    "AWS_ACCESS_KEY_ID": "keyid7hushed",
    "AWS_SECRET_ACCESS_KEY": "secret7hushed",
    "AWS_SESSION_TOKEN": "token7hushed",
    "PGPASSWORD": "word7hushed",
}
FEW = ("intervals.resamples=0",)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The address of a database."""
    with postgresql_server() as port:
        yield f"postgresql://tester@127.0.0.1:{port}/postgres"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Workspace]:
    """A workspace whose environment opens a bucket and a database (which has files of its own)."""
    root = tmp_path_factory.mktemp("addressed")
    for name in ("work", "temporary"):
        (root / name).mkdir()
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**SECRETS, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            patch.setenv(name, value)
        patch.setenv("TMPDIR", str(root / "temporary"))
        patch.setattr(tempfile, "tempdir", None)
        yield Workspace(root / "work")
    server.stop()


def _purchases() -> str:
    log = SimulatedShop(users=60, items=20, days=120).read()
    sql = (
        "SELECT user_id, item_id, timestamp FROM events WHERE event_type = 'purchase' ORDER BY ALL"
    )
    return log.query(sql).to_csv(index=False)


def _train_and_export(shop: Workspace, *data: str) -> str:
    """What a run and a bundle of addressed data say."""
    said = ""
    settings = ("data.event_type=purchase", *data)
    for words in (
        ("compare", "models=[popularity,random]", *FEW),
        ("export", "task=top_n", "overwrite=true"),
    ):
        done = shop.growthlab(words[0], "data=tabular_file", *settings, *words[1:])
        assert done.status == 0, done.err
        said += done.out + done.err
    return said


def test_a_run_from_a_bucket_holds_no_credential(shop: Workspace) -> None:
    address = os.environ["AWS_ENDPOINT_URL"]
    s3 = fs.S3FileSystem(endpoint_override=address, allow_bucket_creation=True, region="us-east-1")
    s3.create_dir("corner")
    with s3.open_output_stream("corner/orders.csv") as file:
        file.write(_purchases().encode())
    said = _train_and_export(shop, "data.path=s3://corner/orders.csv")
    (run, *_) = shop.all_runs()
    assert "s3://corner/orders.csv" in str(run.data.params), "the run says what it has read"
    assert not [value for value in SECRETS.values() if value in said]
    assert not traces_below(shop.folder.parent, list(SECRETS.values()))


def test_a_run_from_a_database_holds_no_password(shop: Workspace, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE orders (user_id text, item_id text, timestamp timestamptz)"
        )
        with connection.cursor().copy("COPY orders FROM STDIN (FORMAT csv, HEADER)") as copy:
            copy.write(_purchases())
    said = _train_and_export(shop, f"data.path={database}#orders")
    assert not [value for value in SECRETS.values() if value in said]
    assert not traces_below(shop.folder.parent, list(SECRETS.values()))


def test_the_search_finds_a_credential_where_there_is_one(shop: Workspace, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("it is WORD7HUSHED")
    assert traces_below(tmp_path, list(SECRETS.values()))
