"""How fast is growthlab beside other libraries: same data, split, machine and threads, in one run.

    python experiments/benchmarks/peers.py [PATH/sequences.parquet] [--only ease als] [--users 500] [--long]

Each peer has an environment of its own under ``.growthlab/bench`` with the pins of
``peers/<peer>/requirements.txt``. Sides take turns, each in a fresh process; every row goes to
``peers/results.csv`` as it comes. Settings: peers.yaml.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from growthlab.models.btyd.simulation import simulated_purchases
from growthlab.scorers.btyd_models import BGNBD

HERE = Path(__file__).resolve().parent
SCRATCH = HERE.parents[1] / ".growthlab" / "bench"
OURS = "growthlab"
COLUMNS = [
    "started", "measure", "quantity", "side", "round", "value", "users", "threads", "settings",
    "versions", "machine", "code_version", "note",
]  # fmt: skip
SHOWN = {  # distributions whose versions decide the speed
    OURS: ("torch", "lightgbm", "numpy", "scipy"),
    "recbole": ("recbole", "torch", "numpy", "scipy"),
    "rectools": ("RecTools", "pm-implicit", "torch", "numpy", "scipy"),
    "implicit": ("implicit", "numpy", "scipy"),
    "lifetimes": ("Lifetimes", "autograd", "numpy", "scipy"),
    "causalml": ("causalml", "lightgbm", "numpy", "scipy"),
}
POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
LARGER_IS_BETTER = ("targets_a_second",)
NO_SPEED = ("log_likelihood", "effect_error")  # shown beside the speeds, to be alike
SIMULATED = {"customers", "rows"}  # settings of measures that need no file
TRUTH = BGNBD(
    0.243, 4.414, 0.793, 2.426
)  # of the simulated customers: as fitted to CDNOW, in weeks


def environment(peer: str) -> Path | None:
    """The peer's Python, its pins installed; None, said in one line, where they cannot be."""
    folder, pins = SCRATCH / peer, HERE / "peers" / peer / "requirements.txt"
    digest, done = hashlib.sha256(pins.read_bytes()).hexdigest(), folder / "installed"
    python = folder / "bin" / "python"
    if done.exists() and done.read_text() == digest:
        return python
    print(f"installing {peer} into {folder}", file=sys.stderr, flush=True)
    index = os.environ.get("TORCH_INDEX_URL")
    extra = ["--extra-index-url", index] if index else []
    steps = [
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", *extra, "-r", str(pins)],
    ]
    for step in steps:
        ended = subprocess.run(step, capture_output=True, text=True)
        if ended.returncode:
            why = (ended.stderr.strip().splitlines() or ["no reason given"])[-1]
            print(f"{peer} cannot be installed and is left out: {why[:300]}", file=sys.stderr)
            return None
    done.write_text(digest)
    return python


def sequences(data: Path, n_users: int | None) -> Path:
    """The file that every side reads: all users, or `n_users` spread evenly over them."""
    data = data.resolve()
    if n_users is None:
        return data
    table = pd.read_parquet(data)
    users = np.unique(table["user_id"])
    kept = users[np.linspace(0, len(users) - 1, min(n_users, len(users))).astype(int)]
    part = SCRATCH / f"data-{len(kept)}" / "sequences.parquet"
    part.parent.mkdir(parents=True, exist_ok=True)
    table[table["user_id"].isin(kept)].to_parquet(part, index=False)
    return part


def simulate(measure: Mapping[str, Any], scratch: Path) -> None:
    """Purchase summaries of simulated customers, where the measure asks for some, for every side.

    Watched for 27 to 39 weeks; ``weekly`` times are rounded up to whole weeks.
    """
    settings = measure["settings"]
    if "customers" not in settings:
        return
    random = np.random.default_rng(0)
    T = random.uniform(27, 39, settings["customers"])
    x, t_x = simulated_purchases(TRUTH, T, random)
    if settings["times"] == "weekly":
        t_x, T = np.ceil(t_x), np.ceil(T)
    np.savez(scratch / "customers.npz", x=x, t_x=t_x, T=T)


def arrays_of(data: Path, scratch: Path) -> Path:
    """The columns of the file as npz, which every environment can read."""
    path, columns = scratch / "sequences.npz", ["user_id", "movie_id", "position"]
    table = pd.read_parquet(data, columns=columns)
    np.savez(path, **{c: table[c].to_numpy() for c in columns})
    return path


def asked(side: str, python: Path, question: Mapping[str, Any]) -> dict[str, Any]:
    """What a side answers, in a process of its own; its error as a note."""
    pools = {name: str(question["threads"]) for name in POOLS}
    started = time.perf_counter()
    ended = subprocess.run(
        [str(python), str(HERE / "peers" / side / "measure.py"), json.dumps(question)],
        capture_output=True,
        text=True,
        cwd=question["scratch"],
        env={**os.environ, **pools, "OMP_WAIT_POLICY": "PASSIVE", "CUDA_VISIBLE_DEVICES": ""},
    )
    if ended.returncode:
        why = (ended.stderr.strip().splitlines() or [f"status {ended.returncode}"])[-1]
        print(f"{side} failed at {question['measure']}: {why[:300]}", file=sys.stderr)
        return {"failed": None, "note": why[:300]}
    answer = json.loads(ended.stdout.strip().splitlines()[-1])
    return {**answer, "process_seconds": time.perf_counter() - started}


def settings_of(measure: Mapping[str, Any], side: str) -> dict[str, Any]:
    """The measure's settings, of those given by side the side's own."""
    own = {k: v.get(side) if isinstance(v, dict) else v for k, v in measure["settings"].items()}
    return {k: v for k, v in own.items() if v is not None}


def rows_of(
    name: str, measure: Mapping[str, Any], pythons: Mapping[str, Path], common: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Every row of a measure: the sides take turns, round by round."""
    sides = [s for s in measure["sides"] if s in pythons]
    for n in range(1, measure["rounds"] + 1):
        for side in sides if n % 2 else reversed(sides):
            settings = settings_of(measure, side)
            question = {**common["question"], "measure": name, "settings": settings}
            answer = asked(side, pythons[side], question)
            note = answer.pop("note", "")
            for quantity, value in answer.items():
                yield {
                    **common["row"],
                    "measure": name,
                    "quantity": quantity,
                    "side": side,
                    "round": n,
                    "value": "" if value is None else written(value, ".4g"),
                    "users": measure["settings"].get("customers", common["row"]["users"]),
                    "settings": json.dumps(settings),
                    "versions": common["versions"][side],
                    "note": note,
                }


def written(value: float, form: str) -> str:
    """The value in that form, a large one to the hundredth."""
    return f"{value:{form}}" if abs(value) < 1e5 else f"{value:.2f}"


def table(rows: pd.DataFrame, measures: Mapping[str, Any]) -> str:
    """The medians a side, and how many times growthlab is faster than the fastest peer."""
    rows = rows.assign(value=pd.to_numeric(rows["value"], errors="coerce"))
    rows = rows[~rows["quantity"].isin(["failed", "process_seconds"])]
    grouped = rows.groupby(["measure", "quantity", "side"], sort=False)["value"]
    medians = grouped.median().unstack("side")
    sides = list(dict.fromkeys([OURS, *rows["side"]]))
    shown = [["measure", "quantity", *sides, "times faster", "asked"]]
    for (measure, quantity), given in medians.iterrows():
        values = given.dropna()
        peers, ours = values.drop(OURS, errors="ignore"), values.get(OURS)
        larger = quantity in LARGER_IS_BETTER
        best = peers.max() if larger else peers.min()
        ratio = (ours / best if larger else best / ours) if ours and len(peers) else np.nan
        faster = "" if quantity in NO_SPEED else f"{ratio:.2f}"
        wanted = measures[measure].get("asked", {}).get(quantity, "")
        cells = ["" if s not in values else written(values[s], ",.5g") for s in sides]
        shown.append([measure, quantity, *cells, faster, str(wanted)])
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = ["  ".join(c.rjust(w) for c, w in zip(r, widths, strict=True)) for r in shown]
    return "\n".join(lines)


def versions(python: Path, names: tuple[str, ...]) -> str:
    """``name version`` of the distributions in that environment."""
    shown = "print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"
    code = f"import sys, importlib.metadata as m; {shown}"
    return subprocess.run(
        [str(python), "-c", code, *names], capture_output=True, text=True
    ).stdout.strip()


def machine() -> str:
    """Processor, the instructions that decide the speed of products, cores and memory."""
    model, flags = platform.processor() or platform.machine(), ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = dict(x.split(":", 1) for x in info.read_text().splitlines() if ":" in x)
        known = {name.strip(): value.strip() for name, value in lines.items()}
        model, flags = known.get("model name", model), known.get("flags", "")
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    size = f"{os.cpu_count()} cores, {gib:.0f} GiB, {platform.system()}"
    return f"{model} ({instructions(flags.split())}), {size}"


def instructions(flags: Sequence[str]) -> str:
    """The instructions that the libraries may use: what the processor has, unless limited to AVX2."""
    if (
        os.environ.get("ATEN_CPU_CAPABILITY")
        == os.environ.get("DNNL_MAX_CPU_ISA", "").lower()
        == "avx2"
    ):
        return "AVX2 only, by the variables of tests/portable.py"
    found = {"avx512_bf16": "bfloat16", "avx512f": "AVX-512", "avx2": "AVX2"}
    names = [name for flag, name in found.items() if flag in flags]
    return " and ".join(names[::-1][-2:]) or "no AVX2"


def main() -> None:
    """Install, measure, print."""
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    words.add_argument(
        "data",
        type=Path,
        nargs="?",
        help="sequences.parquet: user_id, movie_id, position; for the recommenders",
    )
    words.add_argument("--only", nargs="+", default=[], help="measures, of peers.yaml")
    words.add_argument("--users", type=int, help="this many users, for a quick look")
    words.add_argument("--rounds", type=int, help="instead of those of peers.yaml")
    words.add_argument(
        "--long", action="store_true", help="training to the same quality, too: hours"
    )
    words.add_argument("--results", type=Path, default=HERE / "peers" / "results.csv")
    given = words.parse_args()
    plan = yaml.safe_load((HERE / "peers.yaml").read_text())
    measures = {**plan["measures"], **(plan["long"] if given.long else {})}
    unknown = set(given.only) - set(measures)
    if unknown:
        sys.exit(f"no measure {', '.join(sorted(unknown))}: possible are {', '.join(measures)}")
    measures = {n: m for n, m in measures.items() if not given.only or n in given.only}
    unread = [n for n, m in measures.items() if not SIMULATED & m["settings"].keys()]
    if given.data is None and unread:
        sys.exit(
            f"{', '.join(unread)} need a file of sequences: name it, or take --only of the others"
        )
    for measure in measures.values():
        measure["rounds"] = given.rounds or measure["rounds"]
    needed = {s for m in measures.values() for s in m["sides"]}
    pythons = {OURS: Path(sys.executable)}
    for peer in plan["peers"]:
        python = environment(peer) if peer in needed else None
        if python is not None:
            pythons[peer] = python
    run(measures, pythons, plan["threads"], given)


def run(
    measures: Mapping[str, Any],
    pythons: Mapping[str, Path],
    threads: int,
    given: argparse.Namespace,
) -> None:
    """Measure, row by row into the results, and print the table of this run."""
    from growthlab.tracking.code_version import code_version

    data = None if given.data is None else sequences(given.data, given.users)
    n_users, question = 0, {"data": "", "arrays": ""}
    if data is not None:
        n_users = int(pd.read_parquet(data, columns=["user_id"])["user_id"].nunique())
    scratch = SCRATCH / f"scratch-{hashlib.sha256(str(data).encode()).hexdigest()[:8]}-{n_users}"
    scratch.mkdir(parents=True, exist_ok=True)
    if data is not None:
        question = {"data": str(data), "arrays": str(arrays_of(data, scratch))}
    common = {
        "question": {**question, "threads": threads, "scratch": str(scratch)},
        "row": {
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "users": n_users,
            "threads": threads,
            "machine": machine(),
            "code_version": code_version(),
        },
        "versions": {side: versions(python, SHOWN[side]) for side, python in pythons.items()},
    }
    rows = []
    fresh = not given.results.exists()
    with given.results.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if fresh:
            writer.writeheader()
        for name, measure in measures.items():
            simulate(measure, scratch)
            for row in rows_of(name, measure, pythons, common):
                writer.writerow(row)
                file.flush()
                rows.append(row)
                words = ("measure", "side", "round", "quantity", "value")
                print(*(row[w] for w in words), row["note"], file=sys.stderr, flush=True)
    print(common["row"]["machine"], table(pd.DataFrame(rows), measures), sep="\n")


if __name__ == "__main__":
    main()
