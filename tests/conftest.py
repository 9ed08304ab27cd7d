"""What the tests of every room may use: a small shop, its fold, the real data if it is there."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

# before numpy and torch are imported: the tests share few cores, and sums are the same every time
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# no test reads or writes a key of whoever runs it, depends on what is being edited, or calls home
os.environ.pop("GROWTHLAB_PSEUDONYM_KEY", None)
KEY = Path(tempfile.mkdtemp()) / "pseudonym.key"
KEY.write_text("the same pseudonyms in every process of the tests\n")
os.environ["GROWTHLAB_KEY_FILE"] = str(KEY)
os.environ["GROWTHLAB_CODE_VERSION"] = "tested"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
gc.set_threshold(50_000, 50, 100)  # as in every command: a fifth of the time to collect the tests

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402
from tests.new_stores import CopiedStores  # noqa: E402

from growthlab.data.event_log import EventLog  # noqa: E402
from growthlab.data.simulated_shop import SimulatedShop  # noqa: E402
from growthlab.split.fold import Fold  # noqa: E402
from growthlab.split.global_time import GlobalTime  # noqa: E402
from growthlab.tracking.new_sqlite_store import without_fsync  # noqa: E402

REPOSITORY = Path(__file__).parents[1]

# a slow or busy machine is no failure
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def copied_stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CopiedStores]:
    """Commands that run in this process begin with a copy of an empty store, and tests can ask for one.

    Stores and studies do not wait for the disk: what a killed process wrote is there all the same.
    """
    with pytest.MonkeyPatch.context() as patch, without_fsync():
        copied = CopiedStores(tmp_path_factory.mktemp("empty_store"))
        patch.setattr("growthlab.tracking.store.create_sqlite_store", copied)
        yield copied


@pytest.fixture(scope="session")
def shop_source() -> SimulatedShop:
    """A shop of about 300 customers, 120 items and 120 days."""
    return SimulatedShop(users=480, items=120, days=120)


@pytest.fixture(scope="session")
def shop(shop_source: SimulatedShop) -> EventLog:
    """The log of the small shop."""
    return shop_source.read()


@pytest.fixture(scope="session")
def shop_fold(shop: EventLog) -> Fold:
    """The small shop, cut 28 days before its end."""
    return GlobalTime().folds(shop, horizon_days=28)[0]


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """The folder of a real data set by name; without it the test is skipped."""
    beside = (REPOSITORY.parent / "shared" / "data", REPOSITORY / "shared" / "data")
    given = os.environ.get("GROWTHLAB_DATA")
    roots = (Path(given),) if given else beside

    def folder(name: str) -> Path:
        found = [root / name for root in roots if (root / name).is_dir()]
        if not found:
            pytest.skip(f"the data set {name} is not on this machine: set GROWTHLAB_DATA")
        return found[0]

    return folder
