"""A typed setting that nothing in the run reads is named, with what would make it be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from growthlab.config.compose import compose
from growthlab.workbench.set_up import build_parts

CASES = {
    "train model=recommend/item_knn device=cuda": "device=cuda is not used: only networks choose a device",
    "train model=recommend/item_knn model.asymmetry=0.9": (
        "model.asymmetry=0.9 is not used: it is read only with model.similarity=asymmetric_cosine"
    ),
    "compare models=[item_knn,user_knn] model.tversky_source=0.5": (
        "model.tversky_source=0.5 is not used: it is read only with model.similarity=tversky"
    ),
    "train model=recommend/content model.content.k1=1.5": (
        "model.content.k1=1.5 is not used: it is read only with model.content.weighting=bm25"
    ),
    "train model=recommend/two_stage model.truncation=5": (
        "model.truncation=5 is not used: it is read only with model.objective=lambdarank"
    ),
    "compare models=[item_knn,markov] seeds=3": (
        "seeds=3 is not used: another seed gives the same model, and each of item_knn, markov"
    ),
    "train model=recommend/markov privacy.keep_ids=false": (
        "privacy.keep_ids=false is not used: customers keep their raw ids"
    ),
}
USED = (
    "train model=recommend/item_knn model.asymmetry=0.9 model.similarity=asymmetric_cosine",
    "train model=recommend/item_knn model.neighbours=5 seed=2",
    "train model=recommend/content content@model.content=sentences model.content.model=x seed=2",
    "train model=recommend/markov privacy.keep_ids=false privacy.user_ids=pseudonym",
    "compare models=[item_knn,bpr] seeds=3 device=cpu",
    "compare models=[item_knn,bpr] device=cuda",
)


def warnings_of(line: str, caplog: pytest.LogCaptureFixture) -> str:
    """What is logged while the parts of a command are built, which needs no data."""
    name, *words = line.split()
    build_parts(compose(name, words))
    return caplog.text


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("line", "warning"), CASES.items())
def test_a_setting_that_the_run_does_not_read_is_named(
    line: str, warning: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert warning in warnings_of(line, caplog)


@pytest.mark.parametrize("line", USED)
def test_nothing_is_said_of_settings_that_are_read(
    line: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert "is not used" not in warnings_of(line, caplog)
