"""Small problems, solved exactly as a mixed-integer programme by HiGHS."""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array, vstack

from growthlab.campaign.solver.coupling import Coupling
from growthlab.campaign.solver.plan_problem import Messages, PlanProblem
from growthlab.core.quiet_libraries import without_library_output

MIP_GAP = 1e-6
MOST_NODES = (
    100  # of the search tree, then the best plan so far is taken; a clock would depend on the load
)
INFEASIBLE = 2  # SciPy's status


class ExactProgramme:
    """The problem with a 0/1 variable for each option that is allowed."""

    def __init__(self, problem: PlanProblem, coupling: Coupling) -> None:
        self.problem, self.coupling = problem, coupling
        flat = problem.flat_value
        allowed = np.isfinite(flat) if (problem.minima > 0).any() else flat > 0
        if problem.roi_floor is not None:
            allowed = np.isfinite(flat)
        customer, option = np.nonzero(allowed)
        self.options = Messages(customer, option)
        self.value = problem.value_of(self.options)
        self.matrix, self.limits = self._constraints()

    def solve(self, gap: float = MIP_GAP) -> tuple[Messages | None, float]:
        """The best messages and a bound on every plan; None where no plan is found."""
        if not len(self.options):
            return (self.options if not (self.problem.minima > 0).any() else None), 0.0
        with without_library_output():
            result = milp(
                -self.value,
                integrality=np.ones(len(self.options)),
                bounds=Bounds(0, 1),
                constraints=LinearConstraint(self.matrix, -np.inf, self.limits),
                options={"node_limit": MOST_NODES, "mip_rel_gap": gap},
            )
        if result.x is None:
            return None, -np.inf if result.status == INFEASIBLE else np.inf
        chosen = self.options[result.x > 0.5]
        bound = -float(result.mip_dual_bound)
        return chosen, max(bound, float(self.problem.value_of(chosen).sum()))

    def relaxed(self) -> tuple[float, np.ndarray]:
        """The optimum of the LP, and the prices of the coupling rows."""
        prices = np.zeros(len(self.coupling.limits))
        if not len(self.options):
            return 0.0, prices
        result = linprog(
            -self.value, A_ub=self.matrix, b_ub=self.limits, bounds=(0, 1), method="highs"
        )
        if not result.success:
            return -np.inf, prices
        prices[self.coupling.limited] = -result.ineqlin.marginals[: len(self.coupling.limited)]
        return -float(result.fun), np.maximum(prices, 0)

    def _constraints(self) -> tuple[csr_array, np.ndarray]:
        """Coupling rows that have a limit, then the days and the windows of each customer."""
        problem, options = self.problem, self.options
        columns = np.arange(len(options))
        blocks = []
        for rows, row, amount in self.coupling.amounts(problem, options):
            shape = (rows.stop - rows.start, len(options))
            blocks.append((rows, csr_array((amount, (row, columns)), shape=shape)))
        coupled = vstack([block for _, block in sorted(blocks, key=lambda b: b[0].start)]).tocsr()
        present = np.concatenate(
            [
                np.arange(r.start, r.stop)
                for r in sorted((r for r, _ in blocks), key=lambda r: r.start)
            ]
        )
        limits = self.coupling.limits[present]
        finite = np.isfinite(limits)
        matrices, bounds = [coupled[finite]], [limits[finite]]
        day = problem.slot_days[options.slot(problem)]
        key = options.customer * problem.n_days + day
        shape = (problem.n_customers * problem.n_days, len(options))
        matrices.append(csr_array((np.ones(len(options)), (key, columns)), shape=shape))
        bounds.append(np.ones(shape[0]))
        if problem.windows is not None:
            cell = day
            if problem.windows.by_channel:
                cell = day * problem.n_channels + options.channel(problem)
            for counted, allowance in zip(
                problem.windows.counted, problem.windows.allowance.T, strict=True
            ):
                inside = np.flatnonzero(counted[cell])
                shape = (problem.n_customers, len(options))
                ones = np.ones(len(inside))
                matrices.append(
                    csr_array((ones, (options.customer[inside], columns[inside])), shape=shape)
                )
                bounds.append(allowance.astype(float))
        return vstack(matrices).tocsr(), np.concatenate(bounds)
