"""What stands beside a challenger: a rival of a first champion, and the rank among all models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from growthlab.evaluation.superiority import SuperiorityResult
from growthlab.promotion.gate import BEST_BASELINE, WINNER

ROLES = {BEST_BASELINE: "best baseline", WINNER: "winner by validation"}


@dataclass(frozen=True, kw_only=True)
class Rival:
    """A model that was evaluated on the same window, which a first champion is compared with.

    `roles` are those of `ROLES` that it has; none for a better one that cannot be exported. `paired`
    is the challenger's comparison with it after the cutoff. `why_not` says why it could not be
    promoted itself, empty where nothing is known against it.
    """

    model: str
    run_id: str
    valid: float
    paired: SuperiorityResult
    roles: Sequence[str] = ()
    why_not: str = ""

    @property
    def title(self) -> str:
        """Its name and what it is: ``als of run 0a1b2c3d, the winner by validation``."""
        roles = " and ".join(ROLES[role] for role in self.roles)
        text = f"{self.model} of run {self.run_id[:8]}, "
        text += f"the {roles}" if roles else "better by validation"
        return f"{text} ({self.why_not})" if self.why_not else text


@dataclass(frozen=True, kw_only=True)
class WindowRank:
    """The challenger among the `n` models evaluated on the same window, by its objective.

    `value` with its 95 % bounds is that after the cutoff, as is `rank`; `valid_rank` is by validation.
    `by_default` says why the winner there is one by default, empty where enough customers decide.
    """

    value: float
    low: float
    high: float
    rank: int
    valid_rank: int
    n: int
    by_default: str = ""
