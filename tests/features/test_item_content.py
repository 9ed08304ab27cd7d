"""Vectors of item content: terms, components and sentences."""

from __future__ import annotations

import math
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from scipy.sparse import csr_matrix

from growthlab.core.build import build
from growthlab.core.errors import ConfigError, DataError
from growthlab.core.histories import Catalogue
from growthlab.features.sentence_content import SentenceContent
from growthlab.features.term_content import TermContent, principal_components, unit_rows
from growthlab.models.base import Recommender

CONF = Path(__file__).parents[2] / "conf"


def catalogue_of(*texts: str, **fields: list[str]) -> Catalogue:
    ids = np.array([f"i{n}" for n in range(len(texts))])
    return Catalogue(ids, text=np.array(texts), **{n: np.array(v) for n, v in fields.items()})


def dense(content: TermContent, catalogue: Catalogue) -> np.ndarray:
    matrix = content.vectors(catalogue).matrix
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


def test_bm25_weighs_as_its_formula_says() -> None:
    # lengths 3, 1, 2, mean 2; df: red 2, mug 1, lamp 1, tin 1 of N = 3
    matrix = dense(TermContent(weighting="bm25"), catalogue_of("red red mug", "lamp", "red tin"))
    idf = {df: math.log(1 + (3 - df + 0.5) / (df + 0.5)) for df in (1, 2)}
    red = idf[2] * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2))
    mug = idf[1] * 1 * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 3 / 2))
    length = math.hypot(red, mug)
    np.testing.assert_allclose(
        sorted(matrix[0][matrix[0] > 0]), sorted([red, mug] / np.array(length)), rtol=1e-6
    )


def test_each_field_of_bm25_has_a_length_of_its_own() -> None:
    bare = catalogue_of("red mug", "red tin")
    wordy = catalogue_of("red mug", "red tin", attributes=["a=1|b=2|c=3", ""])
    first = dense(TermContent(weighting="bm25"), bare)[0]
    second = dense(TermContent(weighting="bm25"), wordy)[0]
    shares = [row[:2] / np.linalg.norm(row[:2]) for row in (first, second)]
    np.testing.assert_allclose(shares[0], shares[1], rtol=1e-6)


def test_components_keep_as_much_of_the_products_as_any_so_many_can() -> None:
    random = np.random.default_rng(0)
    matrix = unit_rows(csr_matrix(random.random((30, 50)) * (random.random((30, 50)) < 0.3)))
    reduced = principal_components(matrix, 5)
    values = np.linalg.svd(matrix.toarray(), compute_uv=False)
    lost = np.linalg.norm(matrix.toarray() @ matrix.toarray().T - reduced @ reduced.T)
    assert lost == pytest.approx(np.linalg.norm(values[5:] ** 2), rel=1e-4)  # Eckart-Young


def test_components_are_the_same_at_every_call_whatever_numpy_drew_before() -> None:
    matrix = unit_rows(csr_matrix(np.random.default_rng(0).random((40, 30))))
    np.testing.assert_array_equal(principal_components(matrix, 4), principal_components(matrix, 4))


def test_a_catalogue_of_fewer_dimensions_has_fewer_components() -> None:
    catalogue = catalogue_of("red mug", "red lamp", "blue")
    full, reduced = (dense(TermContent(components=c), catalogue) for c in (None, 100))
    assert reduced.shape == (3, 3)
    np.testing.assert_allclose(reduced @ reduced.T, full @ full.T, atol=1e-6)


def test_an_item_without_content_has_a_zero_vector() -> None:
    for components in (None, 1):
        matrix = dense(TermContent(components=components), catalogue_of("red mug", "", "red"))
        np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), [1, 0, 1], rtol=1e-6)


def test_a_field_without_weight_is_not_read() -> None:
    catalogue = catalogue_of("red", "red", category=["a", "b"])
    same = dense(TermContent(category_weight=0), catalogue)
    np.testing.assert_allclose(same[0], same[1])


def test_a_catalogue_without_content_in_the_chosen_fields_says_so() -> None:
    with pytest.raises(DataError, match="content needs items with category, attributes"):
        TermContent(text_weight=0).vectors(catalogue_of("red"))
    with pytest.raises(DataError, match="of 1 items has none: give the data an items table"):
        SentenceContent(model="m").vectors(catalogue_of(""))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"weighting": "bm52"}, "content.weighting=bm52: did you mean bm25"),
        ({"text_weight": -1}, "content.text_weight must be 0 or more, got -1"),
        ({"b": 2}, r"content.b must lie in 0 ... 1, got 2"),
        ({"components": 0}, "content.components must be at least 1, or null for terms, got 0"),
    ],
)
def test_a_setting_out_of_range_says_what_is_possible(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TermContent(**settings)


def content_of(choice: str) -> Any:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        words = ["+model=recommend/content", f"content@model.content={choice}"]
        return build(compose(overrides=words).model, Recommender).content


def test_the_config_files_say_the_same_as_the_class() -> None:
    assert content_of("tf_idf") == TermContent()
    assert content_of("tf_idf_svd") == TermContent(components=128)


class Installed:
    """What is used of sentence-transformers: a vector of letter counts for each sentence."""

    asked: list[tuple[str, str | None]]

    def __init__(self, name: str, revision: str | None = None, **settings: object) -> None:
        assert settings == {"local_files_only": True}
        if name == "absent":
            raise OSError("absent is not in the cache\nand nothing may be fetched")
        self.asked.append((name, revision))
        config = types.SimpleNamespace(_commit_hash="abc123")
        self.auto_model = types.SimpleNamespace(config=config)

    def __getitem__(self, place: int) -> Installed:
        return self

    def encode(self, sentences: list[str], **settings: object) -> np.ndarray:
        return np.array([[s.count(c) for c in "abcdefgh, "] for s in sentences], dtype=np.float32)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> type[Installed]:
    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = Installed  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    Installed.asked = []
    return Installed


def test_sentences_are_embedded_as_unit_vectors_and_nothing_as_zero(
    installed: type[Installed],
) -> None:
    catalogue = catalogue_of("abba", "", "bead", category=["x", "", "a > b"])
    matrix, source = SentenceContent(model="tiny").vectors(catalogue)
    assert source == "sentence embedding by tiny@abc123"
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), [1, 0, 1], rtol=1e-6)


def test_a_model_is_read_once_for_the_same_items(installed: type[Installed]) -> None:
    for _ in range(2):
        _, source = SentenceContent(model="once@v1").vectors(catalogue_of("a", "b"))
    assert installed.asked == [("once", "v1")]
    assert source == "sentence embedding by once@v1"


def test_a_folder_is_known_by_its_content(installed: type[Installed], tmp_path: Path) -> None:
    sources = []
    for weights in (b"one", b"two"):
        (tmp_path / "weights.bin").write_bytes(weights)
        catalogue = catalogue_of(f"a {weights.decode()}")
        sources.append(SentenceContent(model=str(tmp_path)).vectors(catalogue).source)
    assert sources[0] != sources[1]
    assert all(str(tmp_path) in s for s in sources)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("modeling.py", "open('marker', 'w')"),
        ("inner/custom.py", ""),
        ("modules.json", '[{"idx": 0, "type": "os.system"}]'),
        ("modules.json", '[{"idx": 0, "type": "modeling.Own"}]'),
        ("modules.json", "[{"),
        ("config.json", '{"auto_map": {"AutoModel": "modeling.Own"}}'),
        ("state.pkl", "x"),
    ],
)
def test_a_folder_with_code_of_its_own_is_refused(
    installed: type[Installed], tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / "hostile" / name
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"model\.content\.model=.*(would run|cannot be read)"):
        SentenceContent(model=str(tmp_path / "hostile")).vectors(catalogue_of("a hostile folder"))
    assert installed.asked == []


def test_a_folder_of_the_packages_own_parts_is_read(
    installed: type[Installed], tmp_path: Path
) -> None:
    part = '{"idx": 0, "type": "sentence_transformers.models.Transformer"}'
    (tmp_path / "modules.json").write_text(f"[{part}]")
    SentenceContent(model=str(tmp_path)).vectors(catalogue_of("a plain folder"))
    assert len(installed.asked) == 1


def test_a_model_that_is_not_on_this_machine_is_one_line(installed: type[Installed]) -> None:
    with pytest.raises(
        ConfigError, match=r"content.model=absent is neither a folder nor .*cache"
    ) as caught:
        SentenceContent(model="absent").vectors(catalogue_of("a"))
    assert "\n" not in str(caught.value)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ConfigError, match=r"needs the package sentence-transformers: pip install"):
        SentenceContent(model="tiny").vectors(catalogue_of("no package"))
