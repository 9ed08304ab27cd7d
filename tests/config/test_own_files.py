"""Config files that somebody else may have written: refused in one line, and without effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from growthlab.config.compose import compose
from growthlab.core.errors import ConfigError
from growthlab.core.plain_yaml import LARGEST_FILE, read_plain_yaml

HEAD = "# @package _global_\n"
MARKER = "marker"
TOUCH = f"touch {MARKER}"
EXPERIMENTS = [
    # tags
    (f"seed: !!python/object/apply:os.system ['{TOUCH}']", "remove the tag"),
    ("seed: !!python/name:os.system", "remove the tag"),
    ("seed: !!python/module:antigravity", "remove the tag"),
    (f"seed: !!python/object/new:subprocess.Popen [['touch', '{MARKER}']]", "remove the tag"),
    ("seed: !!binary aGVsbG8=", "remove the tag"),
    ("seed: !own 3", "remove the tag"),
    ("!!python/tuple [1, 2]", "remove the tag"),
    ("%TAG ! tag:yaml.org,2002:python/\n---\nseed: !name:os.system ''", "remove the tag"),
    # aliases
    ("a: &a [x]\nb: [*a, *a]", "no anchors and aliases"),
    ("a: &a {<<: *a}", "no anchors and aliases"),
    # what is looked up
    ("seed: ${oc.env:HOME}", "looked up elsewhere"),
    ("tags: {secret: '${oc.env:AWS_SECRET_ACCESS_KEY}'}", "looked up elsewhere"),
    ("tags: {'${oc.env:HOME}': x}", "looked up elsewhere"),
    ("tags: {a: ['${oc.decode:x}', '${now:%Y}']}", "looked up elsewhere"),
    ("defaults: [{override /model: '${oc.env:HOME}'}]", "looked up elsewhere"),
    ("model: {neighbours: '${model.shrinkage}'}", "looked up elsewhere"),
    ("seed: \"\\x24{oc.env:HOME}\"", "looked up elsewhere"),
    ("seed: 'a\\${oc.env:HOME}'", "looked up elsewhere"),
    # choices outside the tree, settings of Hydra
    ("defaults: [{override /model: ../../../outside}]", "outside the config tree"),
    ("defaults: [../../outside]", "outside the config tree"),
    ("defaults: [/etc/passwd]", "outside the config tree"),
    ("hydra: {searchpath: ['file:///elsewhere']}", "hydra is not configured by a file"),
    ("defaults: [{override /hydra/launcher: joblib}]", "hydra is not configured by a file"),
    ("defaults: {model: x}", "defaults must be a list"),
    # places to write to
    ("cache: /elsewhere", "cache=/elsewhere, from a file, is outside this folder"),
    ("cache: ../elsewhere", "cache=../elsewhere, from a file, is outside this folder"),
    ("cache: a/../../elsewhere", "is outside this folder"),
    ("cache: ~/elsewhere", "is outside this folder"),
    ("tracking: {uri: 'http://10.0.0.1:5000'}", "tracking.uri=http://10.0.0.1:5000"),
    ("tracking: {uri: 'sqlite:////x.db'}", "is outside this folder"),
    ("tracking: {artifacts: 's3://bucket/x'}", "tracking.artifacts=s3://bucket/x"),
    ("tracking: {uri: 'HTTP://10.0.0.1:5000'}", "is outside this folder"),
    ("tracking: {uri: ' http://10.0.0.1:5000'}", "is outside this folder"),
    ("tracking: {uri: databricks}", "is outside this folder"),
    ("tracking: {uri: 'SQLITE:////x.db'}", "is outside this folder"),
    ("cache: link/theirs", "is outside this folder"),
    ("cache: 'S3:/bucket'", "is outside this folder"),
    # keys, numbers and dates
    ("{[a]: 1}", "is no YAML file"),
    ("null: 1", "must be a text"),
    ("1.5: 1", "must be a text"),
    ("seed: 1" + "0" * 30, "has more than 18 digits"),
    ("seed: 0x" + "f" * 3000, "seed must be a whole number"),
    ("seed: 1:59:59", "seed must be a whole number"),
    ("model: 5", "is a part with settings"),
    ("task: 5", "is a part with settings"),
    ("split: [a]", "Cannot merge DictConfig with ListConfig"),
    ("defaults: [theirs]", "name each other"),
    # no config
    ("- a\n- b", "holds no settings"),
    ("a: [", "is no YAML file"),
    ("a: 1\n---\nb: 2", "is no YAML file"),
    ("[" * 40 + "]" * 40, "levels stand inside each other"),
    ("{a: " * 5000 + "1" + "}" * 5000, "levels stand inside each other"),
    ("x: " + "y" * LARGEST_FILE, "is larger than"),
    ("x: \x00", "is no YAML file"),
]  # fmt: skip
NODES = [
    ("model: {_target_: os.system}", "cannot be used here"),
    (
        "model: {_target_: sklearn.utils._testing.assert_run_python_script_without_output}",
        "cannot be",
    ),
    ("model: {event_weights: {_target_: os.system}}", "cannot be used here"),
    ("task: {_target_: growthlab.cli.main.main}", "cannot be used here"),
    ("split: {_target_: growthlab.data.cdnow.CDNOW}", "cannot be used here"),
    ("data: {_target_: growthlab.split.global_time.GlobalTime}", "cannot be used here"),
    ("tracking: {_target_: growthlab.core.atomic_write.AtomicFolder}", "cannot be used here"),
    ("metrics: {m: {_target_: subprocess.Popen}}", "is not a metric|cannot be used here"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, in which nothing may appear but the config."""
    (tmp_path / "outside.yaml").write_text("_target_: os.system\n")
    work = tmp_path / "work"
    (work / "conf" / "experiment").mkdir(parents=True)
    monkeypatch.chdir(work)
    return work


@pytest.mark.parametrize(("text", "line"), EXPERIMENTS, ids=lambda text: ascii(text)[:50])
def test_an_experiment_file_holds_plain_values(folder: Path, text: str, line: str) -> None:
    write(folder, text)
    (folder / "link").symlink_to(folder.parent)
    refuse(["experiment=theirs"], line)
    assert sorted(p.name for p in folder.iterdir()) == ["conf", "link"]


@pytest.mark.parametrize(
    "word",
    ["experiment='theirs'", 'experiment="theirs"', "experiment=theirs.yaml", "+experiment=theirs"],
)
def test_however_a_file_is_named_it_is_checked(folder: Path, word: str) -> None:
    write(folder, "seed: ${oc.env:HOME}")
    refuse([word], "looked up elsewhere|theirs|experiment")


@pytest.mark.parametrize(
    "entry",
    [
        *("other@_global_", "other", "{/experiment@_global_: other}"),
        "{optional /experiment@_global_: other}",
    ],
)
def test_a_file_that_a_defaults_list_names_in_any_way_is_checked(folder: Path, entry: str) -> None:
    write(folder, f"defaults: [{entry}]")
    other = folder / "conf" / "experiment" / "other.yaml"
    other.write_text("defaults: [{override /model: 'recommend/${oc.env:HOME}'}]\n")
    with pytest.raises(ConfigError, match="looked up elsewhere") as caught:
        compose("train", ["experiment=theirs"])
    assert str(Path.home()) not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["umläut (2024)", "数据", "a,b=#", "it's", "a b", "back\\slash", "${x}"]
)
def test_the_folder_may_have_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    work = tmp_path / name
    (work / "conf" / "experiment").mkdir(parents=True)
    monkeypatch.chdir(work)
    write(work, "seed: 7")
    assert compose("train", ["experiment=theirs"]).config.seed == 7


def test_a_byte_order_mark_would_hide_the_package_of_a_file(folder: Path) -> None:
    (folder / "conf" / "experiment" / "theirs.yaml").write_text(f"\ufeff{HEAD}seed: 1")
    refuse(["experiment=theirs"], "begins with a byte order mark")


def test_numbers_are_read_as_in_the_files_of_the_package(folder: Path) -> None:
    write(folder, "seed: 12\nmodel: {shrinkage: 1e-3}\ntags: {a: 2025-01-01, b: 0x1f, c: 1:30}")
    config = compose("train", ["experiment=theirs"]).config
    assert config.model.shrinkage == 0.001
    assert dict(config.tags) == {"a": "2025-01-01", "b": "0x1f", "c": "1:30"}


def test_a_typed_store_lets_no_other_place_through(folder: Path) -> None:
    write(folder, "cache: /elsewhere")
    refuse(["experiment=theirs", "tracking=server"], "cache=/elsewhere, from a file")


@pytest.mark.parametrize(("text", "line"), NODES, ids=lambda text: ascii(text)[:50])
def test_what_an_experiment_file_names_is_checked_where_it_is_built(
    folder: Path, text: str, line: str
) -> None:
    from growthlab.workbench.set_up import build_parts

    write(folder, text)
    with pytest.raises(ConfigError, match=line):
        build_parts(compose("train", ["experiment=theirs"]))
    assert sorted(p.name for p in folder.iterdir()) == ["conf"]


def test_a_file_that_is_not_read_stops_nothing(folder: Path) -> None:
    write(folder, "seed: ${oc.env:HOME}")
    assert compose("train", []).config.seed == 0


def test_a_file_that_another_file_names_is_read_too(folder: Path) -> None:
    write(folder, "defaults: [{override /model: recommend/theirs}]")
    own = folder / "conf" / "model" / "recommend" / "theirs.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("# @package model\n_target_: ${oc.env:HOME}\n")
    refuse(["experiment=theirs"], "theirs.yaml: _target_=.* looked up elsewhere")
    refuse(["model=recommend/theirs"], "looked up elsewhere")
    refuse(["model=recommend/blend", "model.members=[theirs,markov]"], "looked up elsewhere")


def test_a_link_does_not_lead_out_of_the_tree(folder: Path) -> None:
    (folder / "conf" / "experiment" / "theirs.yaml").symlink_to(folder.parent / "outside.yaml")
    refuse(["experiment=theirs"], "outside the config tree")


def test_words_and_local_settings_may_choose_any_place(folder: Path, tmp_path: Path) -> None:
    write(folder, f"cache: {tmp_path}/theirs")
    assert compose("train", ["experiment=theirs", "cache=/elsewhere"]).config.cache == "/elsewhere"
    local = folder / "conf" / "local" / "default.yaml"
    local.parent.mkdir()
    local.write_text(f"{HEAD}cache: {tmp_path}/mine\n")
    assert compose("train", []).config.cache == f"{tmp_path}/mine"
    assert (
        compose("train", ["experiment=theirs"]).config.cache == f"{tmp_path}/mine"
    )  # one's own wins


@pytest.mark.parametrize(
    "text", ["defaults: [{override /model: recommend/nowhere}]", "model: 5", "a: [", "split: [a]"]
)
def test_a_mistake_in_the_local_settings_is_one_line(folder: Path, text: str) -> None:
    local = folder / "conf" / "local" / "default.yaml"
    local.parent.mkdir()
    local.write_text(HEAD + text)
    refuse([], "conf/local/default.yaml|is a part with settings")


def test_a_path_that_is_read_is_named(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(folder, "data: {start: /etc/passwd}")
    with caplog.at_level("INFO"):
        compose("train", ["experiment=theirs"])
    assert "conf/experiment/theirs.yaml names what lies outside this folder" in caplog.text
    assert "data.start=/etc/passwd" in caplog.text


@pytest.mark.parametrize("word", ["data.label=${nope}", "seed=${oc.env:NOPE}", "tags.a=${seed}"])
def test_a_word_is_not_looked_up_elsewhere(word: str) -> None:
    refuse(["data=tabular_file", f"+{word}" if word.startswith("tags") else word], "looked up")


@pytest.mark.parametrize("word", ["model=../../../outside", "model=recommend/../../../../outside"])
def test_a_choice_does_not_lead_out_of_the_tree(word: str) -> None:
    refuse([word], "recommend/als|outside the config tree")


def test_values_are_read_as_yaml_has_them(tmp_path: Path) -> None:
    path = tmp_path / "plain.yaml"
    path.write_text("a: [1, 2.5, true, null, 'x']\nb: {c: 2025-01-01}\n")
    assert read_plain_yaml(path)["a"] == [1, 2.5, True, None, "x"]


def write(folder: Path, text: str) -> None:
    """The experiment file of somebody else."""
    (folder / "conf" / "experiment" / "theirs.yaml").write_text(HEAD + text)


def refuse(words: list[str], line: str) -> None:
    """A command with these words is refused with that line."""
    with pytest.raises(ConfigError, match=line) as caught:
        compose("train", words)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1_000
