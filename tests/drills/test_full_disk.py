"""On a full disk a command fails with a clear message, and leaves no partial file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from growthlab.bundle.bundle import Bundle
from growthlab.tasks.top_n import TopN

pytestmark = pytest.mark.drill

Desk = Any  # of conftest.py
LIMIT = 8 * 1024  # bytes a file: less than the events of the shop, or the model of a bundle


def test_a_log_that_does_not_fit_is_not_cached(desk: Desk, shop_words: tuple[str, ...]) -> None:
    assert desk.run("prepare", *shop_words, limit=LIMIT) != 0
    assert "File too large" in desk.output.splitlines()[-1]
    assert list((desk.folder / ".growthlab").glob("*/log.json")) == []
    assert desk.run("prepare", *shop_words) == 0, desk.output


def test_answers_that_do_not_fit_leave_no_file(desk: Desk, bundles: dict[str, Path]) -> None:
    desk.folder.mkdir()
    users = pd.DataFrame({"user_id": [f"u{i}" for i in range(500)]})
    users.to_csv(desk.folder / "users.csv", index=False)
    for kind in ("csv", "parquet"):
        words = ("recommend", f"bundle={bundles['top_n']}", "input=users.csv", f"output=out.{kind}")
        assert desk.run(*words, limit=LIMIT) != 0
        assert reports_full_disk(desk.output)
        assert not list(desk.folder.glob(f"*out.{kind}*"))
        assert desk.run(*words) == 0, desk.output


def test_a_bundle_that_does_not_fit_leaves_no_folder(
    bundles: dict[str, Path], tmp_path: Path, desk: Desk
) -> None:
    import resource

    from growthlab.bundle.manifest import Manifest, Provenance
    from growthlab.export.write_bundle import write_recommender

    bundle = Bundle.load(bundles["top_n"])
    maker = bundle.list_maker
    assert maker is not None
    assert maker.state is not None
    about = Manifest.read(bundles["top_n"])
    provenance = Provenance(
        task="top_n",
        answer=TopN.answer,
        model=about.model,
        data=about.data,
        data_digest=about.data_digest,
        split="given",
    )
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_recommender(
                tmp_path / "out" / "bundle",
                maker.scorer,  # type: ignore[arg-type]
                provenance,
                histories=maker.state,
                fallback=maker.fallback,
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "out").iterdir()) == []


def reports_full_disk(output: str) -> bool:
    """Whether the output says that a file could not be written, without a traceback."""
    return (
        "cannot be written" in output and "File too large" in output and "Traceback" not in output
    )
