"""How good and how quick are plans: 10^4 to 10^6 customers, 5 offers, 3 channels, 8 slots.

    python experiments/benchmarks/plan.py [--customers 1e4 1e5 1e6] [--limits budget all] [--sides ...]

`budget`: one message a customer and one budget. `all`: two slots on each of four days, a budget, 3 channel
budgets, 24 capacities, 5 stocks, and at most 2 messages in 7 days and 6 in 30, with what was sent before.
`tomorrow` is the plan of the next day, whose values differ by a tenth, without the prices of the day before,
and `tomorrow_warm` with them. `greedy` takes options by value per cost as long as they fit. `highs_lp` and
`highs_mip` are HiGHS's, on the same options, and end after `--seconds`. Each side runs in a fresh process;
every row goes to plan.csv as it comes.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from growthlab.campaign.solver.contact_windows import ContactCap, ContactWindows
from growthlab.campaign.solver.coupling import Coupling
from growthlab.campaign.solver.plan_problem import Messages, PlanProblem
from growthlab.campaign.solver.solve import solve
from growthlab.core.seeding import random_stream

HERE = Path(__file__).resolve().parent
SCRATCH = HERE.parents[1] / ".growthlab" / "bench" / "plan"
RESULTS = HERE / "plan.csv"
COLUMNS = [
    "customers", "limits", "side", "value", "bound", "gap", "messages", "passes", "method",
    "solve_cpu_seconds", "all_cpu_seconds", "peak_gb", "note",
]  # fmt: skip
OFFERS, CHANNELS, SLOTS = 5, 3, 8
CONTACT_COST = np.array([0.02, 0.08, 0.6])  # of an e-mail, a text message, a letter
DISCOUNT = np.array([0.0, 1.0, 2.0, 4.0, 8.0])


def problem_of(n: int, limits: str, day: int) -> PlanProblem:
    """The problem of a day; float32, and the costs are the same in all slots."""
    stream = random_stream(0, "plan benchmark", n)
    buys = stream.beta(1, 15, (n, 1)).astype(np.float32)
    margin = stream.lognormal(2.5, 0.6, (n, 1)).astype(np.float32)
    taste = stream.random((n, OFFERS), dtype=np.float32)
    reach = stream.random((n, CHANNELS), dtype=np.float32)
    slot = stream.random((n, SLOTS), dtype=np.float32)
    if day:
        change = random_stream(day, "plan benchmark", n)
        buys = buys * change.lognormal(-0.005, 0.1, (n, 1)).astype(np.float32)
        taste = taste * change.lognormal(-0.005, 0.1, (n, OFFERS)).astype(np.float32)
    offer = np.tile(np.arange(OFFERS), CHANNELS)
    channel = np.repeat(np.arange(CHANNELS), OFFERS)
    persuaded = buys * taste[:, offer] * reach[:, channel] * (1 + DISCOUNT[offer] / 4)
    cost = CONTACT_COST[channel] + DISCOUNT[offer] * (buys + persuaded)
    gain = (persuaded * margin)[:, None, :] * (0.5 + slot)[:, :, None]
    value = (gain - cost[:, None, :]).astype(np.float32)
    problem = PlanProblem(
        value=value,
        cost=cost[:, None, :].astype(np.float32),
        n_offers=OFFERS,
        slot_days=np.zeros(SLOTS, dtype=int),
        budget=0.1 * n,
    )
    if limits == "budget":
        return problem
    sent = random_stream(day, "contacts", n).random((n, 30, CHANNELS)) < 0.02
    caps = [ContactCap(2, 7), ContactCap(6, 30)]
    shares = random_stream(0, "plan benchmark limits")
    return replace(
        problem,
        slot_days=np.repeat(np.arange(4), 2),
        channel_budgets=np.array([0.03, 0.05, 0.08]) * n,
        capacity=np.floor(shares.uniform(0.01, 0.08, (CHANNELS, SLOTS)) * n),
        stock=np.floor(np.array([0.3, 0.15, 0.1, 0.05, 0.02]) * n),
        windows=ContactWindows.of_caps(caps, sent.astype(np.int8), 4, CHANNELS),
    )


def plan_by_prices(n: int, limits: str, day: int, prices: Path, warm: bool) -> dict[str, Any]:
    """Our planner; the prices of the first day are kept for the next one."""
    problem = problem_of(n, limits, day)
    started = time.process_time()
    solution = solve(problem, start=np.load(prices) if warm else None)
    seconds = time.process_time() - started
    if day == 0:
        np.save(prices, solution.prices)
    return {
        "value": solution.value, "bound": solution.bound, "gap": solution.gap,
        "messages": len(solution.messages), "passes": solution.n_passes,
        "method": solution.method, "solve_cpu_seconds": seconds,
    }  # fmt: skip


def greedy(n: int, limits: str, prices: Path, seconds: float) -> dict[str, Any]:
    """Options by value per cost, each taken if it fits: one after the other, without a second look."""
    problem = problem_of(n, limits, 0)
    coupling = Coupling.of_problem(problem)
    started = time.process_time()
    flat = problem.flat_value
    if limits == "budget":  # whatever a customer takes first is all that customer gets
        cost = np.broadcast_to(problem.cost, problem.value.shape).reshape(n, -1)
        ratio = np.where(flat > 0, flat / cost, -np.inf)
        option = ratio.argmax(axis=1)
        best = ratio[np.arange(n), option]
        del ratio
        order = np.argsort(-best, kind="stable")[: int((best > 0).sum())]
        spent = np.cumsum(cost[order, option[order]], dtype=np.float64)
        order = order[spent <= problem.budget]
        messages = Messages(order, option[order])
    else:
        messages = _greedy_within_all(problem, coupling)
    value = float(problem.value_of(messages).sum())
    used = time.process_time() - started
    return {"value": value, "messages": len(messages), "solve_cpu_seconds": used}


def _greedy_within_all(problem: PlanProblem, coupling: Coupling) -> Messages:
    customer, option = np.nonzero(problem.flat_value > 0)
    options = Messages(customer, option)
    order = np.argsort(-problem.value_of(options) / problem.cost_of(options), kind="stable")
    options = options[order]
    windows = problem.windows
    assert windows is not None
    left_of_windows, counted = windows.allowance.copy(), windows.counted
    taken = np.zeros((problem.n_customers, problem.n_days), dtype=bool)
    left = coupling.limits.tolist()
    cost = problem.cost_of(options).tolist()
    channel, offer = options.channel(problem), options.offer(problem)
    rows = np.column_stack(
        [1 + channel, coupling.capacity.start + channel * SLOTS + options.slot(problem)]
    )
    stock = (coupling.stock.start + offer).tolist()
    days = problem.slot_days[options.slot(problem)].tolist()
    windows_of = [np.flatnonzero(counted[:, d]) for d in range(problem.n_days)]
    chosen = []
    for place, (who, day, (budget, slot)) in enumerate(
        zip(options.customer.tolist(), days, rows.tolist(), strict=True)
    ):
        amount, item = cost[place], stock[place]
        if left[0] < amount or left[budget] < amount or left[slot] < 1 or left[item] < 1:
            continue
        if taken[who, day] or (left_of_windows[who, windows_of[day]] <= 0).any():
            continue
        taken[who, day] = True
        left_of_windows[who, windows_of[day]] -= 1
        left[0] -= amount
        left[budget] -= amount
        left[slot] -= 1
        left[item] -= 1
        chosen.append(place)
    return options[np.array(chosen, dtype=np.int64)]


def highs(n: int, limits: str, seconds: float, *, whole: bool) -> dict[str, Any]:
    """HiGHS on all options of positive value: the linear programme, or whole messages to a gap of 10^-4."""
    from scipy.optimize import Bounds, LinearConstraint, linprog, milp

    from growthlab.campaign.solver.exact import ExactProgramme

    problem = problem_of(n, limits, 0)
    programme = ExactProgramme(problem, Coupling.of_problem(problem))
    started = time.process_time()
    if whole:
        result = milp(
            -programme.value, integrality=np.ones(len(programme.value)), bounds=Bounds(0, 1),
            constraints=LinearConstraint(programme.matrix, -np.inf, programme.limits),
            options={"time_limit": seconds, "mip_rel_gap": 1e-4},
        )  # fmt: skip
    else:
        result = linprog(
            -programme.value, A_ub=programme.matrix, b_ub=programme.limits, bounds=(0, 1),
            method="highs", options={"time_limit": seconds},
        )  # fmt: skip
    row: dict[str, Any] = {"solve_cpu_seconds": time.process_time() - started}
    if result.x is None or not result.success:
        row["note"] = f"not ended within {seconds:g} s"
    if result.x is not None:
        row["value"] = float(programme.value @ result.x)
        row["bound"] = -float(result.mip_dual_bound) if whole else row["value"]
        row["gap"] = 1 - row["value"] / row["bound"] if row["bound"] else 0.0
    return row


SIDES: dict[str, Callable[[int, str, Path, float], dict[str, Any]]] = {
    "planner": lambda n, limits, prices, s: plan_by_prices(n, limits, 0, prices, False),
    "tomorrow": lambda n, limits, prices, s: plan_by_prices(n, limits, 1, prices, False),
    "tomorrow_warm": lambda n, limits, prices, s: plan_by_prices(n, limits, 1, prices, True),
    "greedy": greedy,
    "highs_lp": lambda n, limits, prices, s: highs(n, limits, s, whole=False),
    "highs_mip": lambda n, limits, prices, s: highs(n, limits, s, whole=True),
}


def run_side(side: str, n: int, limits: str, seconds: float) -> dict[str, Any]:
    """A side in a fresh process, with all that it took."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    prices = SCRATCH / f"prices-{limits}-{n}.npy"
    words = [sys.executable, __file__, "--inside", side, str(n), limits, str(prices), str(seconds)]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(words, stdout=output)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        lines = [line for line in output if line.startswith("{")]
    row = json.loads(lines[-1]) if lines else {"note": f"status {process.returncode}"}
    return {
        "customers": n, "limits": limits, "side": side, **row,
        "all_cpu_seconds": used.ru_utime + used.ru_stime, "peak_gb": used.ru_maxrss / 2**20,
    }  # fmt: skip


def main() -> None:
    """Run the sides, or one of them inside this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--customers", nargs="+", type=float, default=[1e4, 1e5, 1e6])
    parser.add_argument("--limits", nargs="+", default=["budget", "all"])
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--seconds", type=float, default=300, help="given to HiGHS")
    parser.add_argument("--inside", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        side, n, limits, prices, seconds = given.inside
        row = SIDES[side](int(n), limits, Path(prices), float(seconds))
        print(json.dumps(row), flush=True)
        return
    for n in map(int, given.customers):
        for limits in given.limits:
            for side in given.sides:
                write_row(run_side(side, n, limits, given.seconds))


def write_row(row: dict[str, Any]) -> None:
    """A row behind those of the table, and on the terminal."""
    new = not RESULTS.exists()
    rounded = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in row.items()}
    with RESULTS.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(rounded)
    print(datetime.now().strftime("%H:%M:%S"), rounded, flush=True)


if __name__ == "__main__":
    main()
