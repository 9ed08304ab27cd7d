"""growthlab inspect: look at files, and write the settings by which they are read as events."""

from __future__ import annotations

import logging
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from growthlab.config.compose import Command
from growthlab.config.conf_tree import CONF
from growthlab.core.atomic_write import atomic_file
from growthlab.core.errors import ConfigError, DataError, quoted
from growthlab.core.path_names import is_path_name
from growthlab.data.inspect.first_rows import first_rows
from growthlab.data.inspect.proposal import Proposal, proposed
from growthlab.data.inspect.settings_yaml import settings_yaml
from growthlab.data.inspect.table_sample import samples_of
from growthlab.data.readers.files import existing_files

LISTED = 40  # names in a remark
NO_NAMES = ("null", "none", "true", "false", "yes", "no", "on", "off", "nan", "inf", "n", "y")


def run(command: Command) -> int:
    """Write ``conf/data/NAME.yaml`` and print what was found, and what is doubtful."""
    config = command.config
    paths = [str(path) for path in config.paths]
    if not paths:
        raise DataError("inspect needs the files: growthlab inspect orders.csv, or several of them")
    name = _name(paths) if config.name is None else _checked(str(config.name))
    target = Path(str(config.output)) / f"{name}.yaml"
    if target.exists() and not config.overwrite:
        raise ConfigError(
            f"{target} is already there: say overwrite=true, or another name with name=NAME"
        )
    files = {path: existing_files(path, "paths") for path in paths}
    with quiet():
        proposal = proposed([s for path, found in files.items() for s in samples_of(path, found)])
        rows, failure = first_rows(
            proposal.settings,
            proposal.personal_columns,
            [f for found in files.values() for f in found],
        )
    if failure is not None:
        proposal.doubts.insert(0, f"reading stops: {failure}")
    text = settings_yaml(proposal.settings, _remarks(name, proposal, rows))
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(target) as file:
        file.write(text.encode())
    print(text)
    print(f"written to {target}; edit what is doubtful, then: growthlab prepare data={name}")
    return 0


@contextmanager
def quiet() -> Iterator[None]:
    """Without what readers say of a file, which is opened many times here."""
    readers = logging.getLogger("growthlab.data")
    level = readers.level
    readers.setLevel(logging.WARNING)
    try:
        yield
    finally:
        readers.setLevel(level)


def _remarks(name: str, proposal: Proposal, rows: Sequence[str]) -> dict[str, list[str]]:
    return {
        "": [
            f"found by growthlab inspect; to read it: growthlab prepare data={name}",
            f"the file is {'; '.join(proposal.found)}",
        ],
        "doubtful": proposal.doubts,
        "not read": _some(proposal.unread),
        "looks like personal data": _some(proposal.personal),
        "the first events as they will be read": list(rows),
    }


def _some(names: Sequence[str]) -> list[str]:
    """Some of the names in rows, and how many there are besides."""
    shown = [*names[:LISTED], *([f"and {len(names) - LISTED} more"] if len(names) > LISTED else [])]
    return textwrap.wrap(", ".join(shown), 100)


def _name(paths: Sequence[str]) -> str:
    """A name for the data set, from that of the first file or folder."""
    stem = Path(paths[0]).resolve().name.partition(".")[0]
    name = re.sub(r"[^\w-]+", "_", stem).strip("_-")
    taken = {path.stem for path in (CONF / "data").glob("*.yaml")}
    if not name or name in taken or not re.match(r"[^\W\d]", name):
        name = f"{name}_file".strip("_")
    if name.lower() in NO_NAMES:
        name = f"{name}_file"
    return name[:100]


def _checked(name: str) -> str:
    if is_path_name(name) and re.fullmatch(r"[\w-]+", name):
        return name
    raise ConfigError(f"name={quoted(name)} must be letters, digits, - and _: it becomes data=NAME")
