"""Bundles of every kind with something in them changed, and all checksums renewed.

Each is refused in one line, or answers validly; none ends the process that reads it.
``GROWTHLAB_FUZZ_BUNDLES`` sets how many, ``GROWTHLAB_FUZZ_SEED`` which.
"""

from __future__ import annotations

import json
import os
import queue
import random
import shutil
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.hostile_bundles import arrays_in, renew

from growthlab.bundle.manifest import Manifest
from growthlab.core.errors import BundleError
from growthlab.serving.self_test_process import SelfTestProcess

pytestmark = pytest.mark.drill

COUNT = int(os.environ.get("GROWTHLAB_FUZZ_BUNDLES", "3000"))
SEED = int(os.environ.get("GROWTHLAB_FUZZ_SEED", "20261129"))
SLOW = 60.0  # seconds until a bundle counts as one for the limits of the self-test
MEMORY = 4 * 2**30
MODELS = Path(__file__).parents[2] / "conf" / "model"
TASKS = {"recommend": "top_n", "churn": "churn", "value": "value"}
ODD_NUMBERS = (
    0, 1, -1, 2, 0.5, -0.5, 7, 255, -128, 2**31 - 1, -(2**31), 2**31, 2**53, 2**63 - 1, -(2**63),
    1e30, -1e30, 1e300, -1e300, 1e-300, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
ODD_TEXTS = ("", "?", "0", "-1", "..", "../x", "/", "a/b", "none", "nan", "x" * 300, "\u0000a", "é")
ODD_VALUES = (
    None, True, False, "", "x", [], {}, [1], {"a": 1}, -1, 0, 1, 2**64, 1e308, -0.5, "../../x",
    "x" * 200_000, [[]], {"": None},
)  # fmt: skip


def odd_like(array: np.ndarray, rng: random.Random) -> Any:
    """A value that may be put into the array."""
    if array.dtype.kind == "U":
        return rng.choice(ODD_TEXTS)
    value = rng.choice(ODD_NUMBERS)
    if array.dtype.kind in "iub":
        value = 0 if value != value or abs(value) == np.inf else value
        info = np.iinfo(array.dtype) if array.dtype.kind != "b" else np.iinfo(np.uint8)
        return max(info.min, min(info.max, int(value)))
    return value


def changed_array(array: np.ndarray, rng: random.Random) -> np.ndarray | None:
    """Something else in place of the array; None: nothing."""
    flat = array.reshape(-1).copy()
    n = len(flat)
    with np.errstate(all="ignore"):
        what = rng.randrange(14)
        if what < 5 and n:
            if flat.dtype.kind == "U":
                flat = flat.astype(object)
                flat[rng.randrange(n)] = rng.choice(ODD_TEXTS)
                return np.array(flat.tolist(), dtype=str).reshape(array.shape)
            flat[rng.randrange(n)] = odd_like(flat, rng)
            return flat.reshape(array.shape)
        if what == 5 and n:
            start = rng.randrange(n)
            flat[start : start + rng.randint(1, n)] = odd_like(flat, rng)
            return flat.reshape(array.shape)
        if what == 6 and array.ndim:
            return array[: max(0, len(array) - rng.choice((1, 2, len(array))))]
        if what == 7 and array.ndim and len(array):
            return np.concatenate([array, array[: rng.randint(1, len(array))]])
        if what == 8:
            return array[::-1] if array.ndim else array.reshape(1)
        if what == 9:
            kinds = ("f4", "f8", "i8", "i4", "u1", "u8", "?", "U5", "f2", ">f4", "c8", "S3")
            try:
                return array.astype(rng.choice(kinds))
            except (ValueError, OverflowError):
                return array.reshape((*array.shape, 1))
        if what == 10:
            return array.reshape((*array.shape, 1)) if rng.random() < 0.5 else array[None]
        if what == 11 and n > 1:
            order = list(range(n))
            rng.shuffle(order)
            return flat[order].reshape(array.shape)
        if what == 12:
            return np.zeros((0, *array.shape[1:]), dtype=array.dtype)
        if what == 13 and array.dtype.kind == "b":
            return flat.view(np.uint8).__iadd__(np.uint8(7)).view(bool).reshape(array.shape)
    return None


def change_arrays(folder: Path, rng: random.Random) -> str:
    """Change one array of one file."""
    path = rng.choice(sorted(folder.rglob("*.npz")))
    arrays = arrays_in(path)
    name = rng.choice(sorted(arrays))
    changed = changed_array(arrays[name], rng)
    if changed is None:
        renamed = rng.random() < 0.3
        array = arrays.pop(name)
        if renamed:
            arrays[f"{name}x"] = array
    else:
        arrays[name] = changed
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return f"{path.name} {name}"


def change_json(folder: Path, rng: random.Random) -> str:
    """Change one value of the manifest or of the example."""
    name = rng.choice(("manifest.json", "request.json"))
    content = json.loads((folder / name).read_text(encoding="utf-8"))
    node, path = content, []
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            break
        key = rng.choice(keys)
        path.append(str(key))
        if isinstance(node[key], (dict, list)) and node[key] and rng.random() < 0.7:
            node = node[key]
            continue
        what = rng.random()
        if what < 0.15 and isinstance(node, dict):
            del node[key]
        elif what < 0.25 and isinstance(node, dict):
            node["more"] = rng.choice(ODD_VALUES)
        else:
            node[key] = rng.choice(ODD_VALUES)
        break
    if name == "manifest.json":
        renew(folder, **{k: v for k, v in content.items() if k not in ("files", "seal")})
        kept = json.loads((folder / name).read_text(encoding="utf-8"))
        if path[0] == "files" or path[0] not in content:
            kept = {k: v for k, v in content.items() if k != "seal"}
        from growthlab.bundle.manifest import manifest_text

        kept.pop("seal", None)
        (folder / name).write_text(manifest_text(kept), encoding="utf-8")
    else:
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return f"{name} {'.'.join(path)}"


def change_trees(folder: Path, rng: random.Random) -> str:
    """Change one line of LightGBM's text; often with the sizes of the trees renewed."""
    path = rng.choice(sorted(folder.glob("*.txt")))
    text = path.read_text(encoding="utf-8")
    head, end, tail = text.partition("end of trees")
    lines = head.split("\n")
    place = rng.randrange(len(lines))
    name, equals, values = lines[place].partition("=")
    words = values.split(" ")
    what = rng.randrange(7)
    odd = (
        "nan",
        "inf",
        "-1",
        "0",
        "-99",
        "99999999",
        "1e999",
        "x",
        "",
        "2147483648",
        "-2147483649",
    )
    if what < 3 and equals:
        words[rng.randrange(len(words))] = rng.choice(odd)
        lines[place] = name + equals + " ".join(words)
    elif what == 3 and equals:
        lines[place] = name + equals + " ".join(words[:-1])
    elif what == 4 and equals:
        lines[place] = name + equals + " ".join([*words, rng.choice(odd)])
    elif what == 5:
        del lines[place]
    else:
        lines.insert(place, lines[rng.randrange(len(lines))])
    changed = "\n".join(lines)
    if rng.random() < 0.7 and "\ntree_sizes=" in changed:
        before, _, rest = changed.partition("\ntree_sizes=")
        rest = rest.partition("\n")[2]
        sizes = [str(len(f"Tree={tree}")) for tree in rest.split("Tree=")[1:]]
        changed = f"{before}\ntree_sizes={' '.join(sizes)}\n{rest}"
    path.write_text(changed + end + tail, encoding="utf-8")
    return f"{path.name} {name}"


def change_network(folder: Path, rng: random.Random) -> str:
    """Change some bytes of a network, or cut it."""
    path = rng.choice(sorted(folder.glob("*.onnx")))
    content = bytearray(path.read_bytes())
    what = rng.randrange(4)
    if what == 0:
        content = content[: rng.randrange(len(content))]
    elif what == 1:  # a number among the weights
        place = rng.randrange(len(content) // 4) * 4
        with np.errstate(over="ignore"):
            content[place : place + 4] = np.float32(rng.choice(ODD_NUMBERS[-7:])).tobytes()
    else:
        beginning = rng.random() < 0.7  # where the operators stand
        place = rng.randrange(min(4000, len(content)) if beginning else len(content))
        content[place] = rng.randrange(256)
    path.write_bytes(bytes(content))
    return path.name


def mutate(folder: Path, rng: random.Random) -> str:
    """Change one thing of a bundle and renew its checksums; what was changed."""
    changes: list[Callable[[Path, random.Random], str]] = [change_arrays] * 5 + [change_json]
    changes += [change_trees] * (6 if list(folder.glob("*.txt")) else 0)
    changes += [change_network] * (4 if list(folder.glob("*.onnx")) else 0)
    change = rng.choice(changes)
    what = change(folder, rng)
    if not what.startswith("manifest.json"):
        renew(folder)
    return what


@dataclass
class Worker:
    """A process that reads bundles, started again where one ended it."""

    process: subprocess.Popen[str] | None = None

    def outcome_of(self, folder: Path) -> dict[str, str]:
        """How it went; ``died`` with the signal, or ``slow``."""
        if self.process is None:
            limit = f"import resource as r; r.setrlimit(r.RLIMIT_AS, ({MEMORY}, {MEMORY}))"
            code = f"{limit}; from tests.drills.bundle_worker import main; main()"
            self.process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{folder}\n")
        process.stdin.flush()
        answers: queue.Queue[str] = queue.Queue()
        stdout = process.stdout
        threading.Thread(target=lambda: answers.put(stdout.readline()), daemon=True).start()
        try:
            line = answers.get(timeout=SLOW)
        except queue.Empty:
            self.stop()
            return {"outcome": "slow", "line": ""}
        if line:
            outcome: dict[str, str] = json.loads(line)
            return outcome
        status = process.wait()
        self.stop()
        return {"outcome": "died", "line": f"status {status}"}

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()  # closes its pipes
            self.process = None


def outcomes(
    bundles: dict[str, Path], folder: Path
) -> Iterator[tuple[str, str, Path, dict[str, str]]]:
    """The kind of each changed bundle, what was changed, its folder and how it went."""
    rng, worker = random.Random(SEED), Worker()
    names = sorted(bundles)
    for number in range(COUNT):
        name = names[number % len(names)]
        copy = folder / f"{number}-{name}"
        shutil.copytree(bundles[name], copy)
        what = mutate(copy, rng)
        yield name, what, copy, worker.outcome_of(copy)
        shutil.rmtree(copy)
    worker.stop()


@pytest.fixture(scope="session")
def bundles_of_all_models(bundle_of: Callable[..., Path]) -> dict[str, Path]:
    """A bundle of each model of the config tree that can be exported."""
    bundles = {}
    for path in sorted(MODELS.glob("*/*.yaml")):
        family = path.parent.name
        if family not in TASKS:
            continue
        words = ["model.trainer.epochs=1"] if "trainer" in path.read_text() else []
        bundles[f"{family}-{path.stem}"] = bundle_of(TASKS[family], f"{family}/{path.stem}", *words)
    return bundles


def test_every_changed_bundle_is_refused_in_one_line_or_answers_validly(
    bundles_of_all_models: dict[str, Path], tmp_path: Path
) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    wrong: list[str] = []
    for name, what, copy, result in outcomes(bundles_of_all_models, tmp_path):
        kind, outcome = Manifest.read(bundles_of_all_models[name]).kind, result["outcome"]
        if outcome == "slow":  # as in the service: its limits are what refuses it
            outcome = "too slow"
            with pytest.raises(BundleError):
                SelfTestProcess(copy, seconds=30, megabytes=8192).passed()
        counts[kind][outcome] += 1
        if outcome in ("died", "broken"):
            wrong.append(f"{copy.name} ({what}): {outcome}, {result['line'][:300]}")
    columns = ("refused", "answers", "fails", "too slow", "died", "broken")
    print(f"\n{COUNT} bundles, seed {SEED}")
    print("| scorer | " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * len(columns))
    for kind in sorted(counts):
        print(f"| {kind} | " + " | ".join(str(counts[kind][c]) for c in columns) + " |")
    total = sum(counts.values(), Counter[str]())
    print("| all | " + " | ".join(str(total[c]) for c in columns) + " |")
    assert not wrong, "\n".join(wrong)
