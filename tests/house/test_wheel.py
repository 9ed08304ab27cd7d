"""The wheel: built from the tree, installed in an empty folder, and used from somewhere else."""

from __future__ import annotations

import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import growthlab

from .wheel_trial import output_of, try_commands

ROOT = Path(__file__).parents[2]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the tree, by way of the source distribution as a release is made."""
    out = tmp_path_factory.mktemp("dist")
    local = tree / "conf" / "local"
    local.mkdir()
    (local / "default.yaml").write_text("device: cpu\n")  # somebody's own settings stay at home
    output_of([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), "."], tree)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with nothing but the wheel installed in it."""
    target = tmp_path_factory.mktemp("installed")
    output_of(
        [*PIP, "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)], target
    )
    return target


def metadata_of(wheel: Path) -> Message:
    """What the wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def test_every_yaml_module_and_template_of_the_tree_travels(wheel: Path, tree: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    package = tree / "src" / "growthlab"
    modules = {f"growthlab/{p.relative_to(package)}" for p in package.rglob("*.py")}
    yamls = {
        f"growthlab/conf/{p.relative_to(tree / 'conf')}" for p in (tree / "conf").rglob("*.yaml")
    }
    templates = {f"growthlab/{p.relative_to(package)}" for p in package.glob("pages/templates/*")}
    assert "growthlab/pages/templates/style.css" in templates
    assert templates <= inside
    assert "growthlab/registry/pyfunc_model.py" in modules
    assert modules <= inside
    assert "growthlab/py.typed" in inside  # type checkers read the annotations of what is installed
    own = {name for name in yamls if "/local/" in name}
    assert yamls - own <= inside
    assert not own & inside


def test_the_source_distribution_holds_the_config_tree_and_nobody_s_own_settings(
    wheel: Path, tree: Path
) -> None:
    (source,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    shared = [p.relative_to(tree) for p in (tree / "conf").rglob("*.yaml")]
    own = {path for path in shared if "local" in path.parts}
    assert own
    assert {f"src/growthlab/{path}" for path in set(shared) - own} <= files
    assert not {f"src/growthlab/{path}" for path in own} & files


def test_the_version_stands_in_one_place(wheel: Path) -> None:
    metadata = metadata_of(wheel)
    assert metadata["Version"] == growthlab.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert f"## [{growthlab.__version__}]" in changes


def test_the_plain_install_is_the_serving_set_and_extras_add_the_rest(wheel: Path) -> None:
    metadata = metadata_of(wheel)
    needed = [r for r in metadata.get_all("Requires-Dist", []) if "extra ==" not in r]
    names = {r.split(">")[0].split("[")[0] for r in needed}
    web = {"fastapi", "fastapi-offline", "uvicorn", "httptools", "uvloop"}
    assert names == {"numpy", "scipy", "onnxruntime", "filelock", *web}
    assert {"lab", "lightgbm", "postgres", "dev"} <= set(metadata.get_all("Provides-Extra", []))


def test_a_comparison_runs_from_the_installed_wheel(installed: Path, tmp_path: Path) -> None:
    variables = {"PYTHONPATH": str(installed)}
    where = "import growthlab; print(growthlab.__file__)"
    used = output_of([sys.executable, "-c", where], tmp_path, **variables)
    assert Path(used.strip()).is_relative_to(installed)
    try_commands([sys.executable, "-m", "growthlab.cli.main"], tmp_path, **variables)
