"""An audit of counts: can a reader work out one that is small from what is shown and how counts add up?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

PUSHES = 30  # solutions tried for all small counts together
FEW = 12  # counts that are rather looked at alone
ALONE = 60  # counts looked at alone; further ones count as given away
NEAR_WORTH = 10.0  # a count in the same sum may cost so much more than one in a sum next to it
LARGE = 150  # sums that hang together of which none is shown again
ROOM = 10_000  # how far above its value a withheld count is followed

NamedSum = tuple[str, tuple[str, ...]]  # a whole and its parts


@dataclass
class Count:
    """A number of customers, and what a reader is shown of it.

    Parameters
    ----------
    least
        A smaller value is a small group; 0 for a number that is no group.
    low, high
        What the reader is shown: the value itself, a band, or nothing (0 and infinity).
    guarded
        Whether the reader must not learn the value.
    known
        What readers know anyway, so that it cannot be withheld: the least and the largest value.
    cost
        How many figures would be withheld with it; 0: none reveals it.
    lacking
        The size that a cell that shows the count asks for in vain; 0: none does.
    """

    value: int
    least: int = 0
    low: float = 0.0
    high: float = np.inf
    guarded: bool = False
    known: tuple[float, float] = (0.0, np.inf)
    cost: float = 0.0
    lacking: int = 0

    @property
    def exact(self) -> bool:
        """Whether the reader is shown the value."""
        return self.low == self.high

    @property
    def unknown(self) -> bool:
        """Whether nothing is shown."""
        return (self.low, self.high) == (0, np.inf)

    @property
    def band(self) -> str:
        """What is shown in place of the value, such as "under 50"; empty where nothing is."""
        if self.exact or self.high == np.inf:
            return ""
        if self.low <= 0:
            return f"under {self.high + 1:,.0f}"
        return f"{self.low:,.0f}–{self.high:,.0f}"

    def ask(self, least: int) -> None:
        """Note that a figure needs the count to be `least` or more."""
        self.least = min(self.least or least, least)

    def decide(self) -> None:
        """Show the value where a figure may reveal it; of a small one the band that is lacking."""
        self.least = self.least if self.cost else max(self.least, self.lacking)
        self.guarded = self.value < self.least
        if self.cost and not self.guarded:
            self.low = self.high = self.value
        elif self.guarded and self.lacking:
            self.low, self.high = 0.0, self.lacking - 1.0

    def make_public(self) -> None:
        """Show the value whatever is withheld."""
        self.know(self.value, self.value)

    def know(self, low: float, high: float) -> None:
        """Take it that readers know these bounds, which hold the value."""
        self.known = max(low, self.known[0]), min(high, self.known[1])
        self.show(self.low, self.high)

    def show(self, low: float, high: float) -> None:
        """Show these bounds, and what readers know."""
        self.low, self.high = max(low, self.known[0]), min(high, self.known[1])

    def show_band(self, width: int) -> None:
        """Show the band of this width that holds the value; it begins at `least` or above."""
        start = self.value // width * width
        self.show(float(max(start, min(self.least, self.value))), start + width - 1.0)
        if self.exact:  # the end of a band that readers know
            self.show_nothing()

    def show_nothing(self) -> None:
        """Show nothing but what readers know."""
        self.low, self.high = self.known


@dataclass
class CountSystem:
    """Counts by name, and the sums that tie them: each a whole and its parts."""

    counts: dict[str, Count]
    sums: list[NamedSum]
    given_away: set[str] = field(default_factory=set)  # guarded counts that nothing can protect

    def __post_init__(self) -> None:
        self._of: dict[str, list[int]] = {}
        for place, (whole, parts) in enumerate(self.sums):
            assert self.counts[whole].value == sum(self.counts[p].value for p in parts), whole
            for name in (whole, *parts):
                self._of.setdefault(name, []).append(place)

    def protect(self) -> None:
        """Withhold further counts until no guarded one can be narrowed down to half of its band.

        Counts are first shown as a band, then not at all; those that cost the fewest figures first.
        What then proves not to be needed is shown again.
        """
        withheld: list[str] = []
        places: Iterable[int] = range(len(self.sums))
        while exposed := self._exposed(places):
            changed: set[int] = set()
            for name in exposed:
                if changed.isdisjoint(self._of[name]):
                    moved = self._withhold_next(name)
                    if moved:
                        changed.update(self._of[moved])
                        withheld.append(moved)
            places = changed
        for name in sorted(set(withheld), key=lambda n: -self.counts[n].cost):
            self._show_again(name)

    def _show_again(self, name: str) -> None:
        """Show what a reader may know of a count after all."""
        if len(self._parts(self._of[name])[0]) > LARGE:
            return
        count = self.counts[name]
        kept = count.low, count.high
        count.show(*((0.0, count.lacking - 1.0) if count.guarded else (count.value, count.value)))
        if self._exposed(self._of[name], first=True):
            count.low, count.high = kept

    def intervals(self, names: Sequence[str]) -> dict[str, tuple[float, float]]:
        """The least and the largest value of each count that agree with what is shown."""
        found: dict[str, tuple[float, float]] = {}
        for part in self._parts(range(len(self.sums))):
            solver = _Part(self, part)
            found |= {n: solver.interval(n) for n in names if n in solver.place}
        own = {n: (self.counts[n].low, self.counts[n].high) for n in names if n not in found}
        return {**own, **found}

    def sums_of(self, name: str) -> list[int]:
        """The places of the sums that a count is in."""
        return self._of.get(name, [])

    def sums_around(self, name: str) -> list[int]:
        """The places of the sums of a count, and of the counts in them that are not shown."""
        near = self._of[name]
        names = {n for place in near for n in self._names(place) if not self.counts[n].exact}
        return sorted({place for n in names for place in self._of[n]})

    def _exposed(self, places: Iterable[int], *, first: bool = False) -> list[str]:
        """The guarded counts near these sums that a reader can narrow down, or the first one alone."""
        exposed: list[str] = []
        for part in self._parts(places):
            names = {name for place in part for name in self._names(place)}
            guarded = [n for n in names if self._is_watched(n)]
            if guarded:
                exposed += _Part(self, part).exposed(sorted(guarded), first=first)
            if first and exposed:
                break
        return sorted(exposed)

    def _is_watched(self, name: str) -> bool:
        count = self.counts[name]
        return count.guarded and not count.exact and name not in self.given_away

    def _names(self, place: int) -> tuple[str, ...]:
        whole, parts = self.sums[place]
        return (whole, *parts)

    def _parts(self, places: Iterable[int]) -> list[list[int]]:
        """Sums that share counts which are not shown, together; those with one of `places`."""
        seen: set[int] = set()
        parts = []
        for start in places:
            if start in seen:
                continue
            part, stack = [], [start]
            seen.add(start)
            while stack:
                place = stack.pop()
                part.append(place)
                for name in self._names(place):
                    if not self.counts[name].exact:
                        new = [p for p in self._of[name] if p not in seen]
                        seen.update(new)
                        stack += new
            parts.append(part)
        return parts

    def _free(self, places: Sequence[int]) -> list[str]:
        """The counts of these sums of which less can be shown."""
        names = sorted({name for place in places for name in self._names(place)})
        return [n for n in names if (c := self.counts[n]).known != (c.low, c.high)]

    def _has_band(self, name: str) -> bool:
        return not self.counts[name].exact and not self.counts[name].unknown

    def _costs_less(self, name: str, cost: float) -> bool:
        return not self.counts[name].guarded and self.counts[name].cost < cost

    def _cheapest(self, own: Sequence[int], wider: Sequence[int]) -> str:
        """The count to withhold next: of the `own` sums unless one of the `wider` costs far less."""
        best: list[tuple[float, int, str]] = []
        for places in (own, wider):
            free = ((self.counts[name], name) for name in self._free(places))
            best += sorted((c.cost, c.value, name) for c, name in free if c.exact and c.cost)[:1]
        if len(best) == 2 and best[0][0] > NEAR_WORTH * best[1][0]:
            return best[1][-1]
        return best[0][-1] if best else ""

    def _withhold_next(self, name: str) -> str | None:
        """Withhold one more count, so that less is known of `name`; None where none is left."""
        near, around = self._of[name], self.sums_around(name)
        for own, wider in ((near, around), (around, self._parts(near[:1])[0])):
            best = self._cheapest(own, wider)
            cost = self.counts[best].cost if best else np.inf
            banded = [n for n in self._free(wider if not best else own) if self._has_band(n)]
            cheaper = [n for n in banded if not best or self._costs_less(n, cost)]
            if cheaper:
                best = min(cheaper, key=lambda n: (self.counts[n].guarded, self.counts[n].cost))
                self.counts[best].show_nothing()
                return best
            if best:
                self.counts[best].show_band(2 * max(self.counts[name].least, 1))
                return best
        self.given_away.add(name)
        return None


class _Part:
    """Sums that hang together, as linear equations of the counts that are not shown."""

    def __init__(self, system: CountSystem, places: Sequence[int], *, alone: bool = False) -> None:
        """`alone`: counts that are also in other sums keep their values, so that these stay right."""
        self.system, self.counts = system, system.counts
        inside = set(places)
        self.place: dict[str, int] = {}
        rows, columns, signs, right = [], [], [], []
        for row, place in enumerate(places):
            whole, parts = system.sums[place]
            constant = 0
            for name, sign in ((whole, 1), *((part, -1) for part in parts)):
                count = self.counts[name]
                if count.exact or (alone and not inside.issuperset(system.sums_of(name))):
                    constant -= sign * count.value
                else:
                    rows.append(row)
                    columns.append(self.place.setdefault(name, len(self.place)))
                    signs.append(sign)
            right.append(constant)
        shape = (len(right), len(self.place))
        self.equations = sparse.csr_array((signs, (rows, columns)), shape=shape, dtype=float)
        self.right = np.array(right, dtype=float)
        hidden = [self.counts[name] for name in self.place]
        self.values = np.array([count.value for count in hidden], dtype=float)
        self.low = np.array([count.low for count in hidden], dtype=float)
        self.high = np.array([min(count.high, count.value + ROOM) for count in hidden], dtype=float)

    def exposed(self, names: Sequence[str], *, first: bool = False) -> list[str]:
        """Those of the names, or the first, whose values are confined to less than half of `least`."""
        at = np.array([self.place[name] for name in names])
        needed = np.array([(self.counts[name].least + 1) // 2 for name in names])
        if len(self.right) == 1:
            low, high = self._of_one_equation()
            narrow = high[at] - low[at] + 1 < needed
            return [name for name, is_narrow in zip(names, narrow, strict=True) if is_narrow]
        up, down = self._exchanges()
        low, high = self.values[at] - down[at], self.values[at] + up[at]
        rng = np.random.default_rng(0)
        for _ in range(PUSHES):
            left = np.flatnonzero(high - low + 1 < needed)
            if len(left) <= FEW:
                break
            weights = np.zeros(len(self.values))
            weights[at[left]] = rng.choice((-1.0, 1.0), size=len(left))
            solution = self._solve(weights)
            low, high = np.minimum(low, solution[at]), np.maximum(high, solution[at])
        unproven = [names[k] for k in np.flatnonzero(high - low + 1 < needed).tolist()]
        narrow = (name for n, name in enumerate(unproven) if n >= ALONE or self._is_narrow(name))
        return list(islice(narrow, 1 if first else None))

    def _exchanges(self) -> tuple[np.ndarray, np.ndarray]:
        """How far each count can rise and fall at least while others make up for it, worked out at once.

        A count that is in one equation alone (a leaf) makes up for any change of the others there;
        counts that are in the same equations without a leaf make up for each other.
        """
        columns = self.equations.tocsc()
        leaf = np.diff(columns.indptr) == 1
        rows, at, sign = _entries(self.equations)
        rise, fall = self.high - self.values, self.values - self.low
        # of each equation: by how much its leaves can make up for a larger, a smaller sum
        more, less = np.full(len(self.right), -1.0), np.full(len(self.right), -1.0)
        own = leaf[at]
        np.maximum.at(more, rows[own], np.where(sign[own] > 0, fall[at[own]], rise[at[own]]))
        np.maximum.at(less, rows[own], np.where(sign[own] > 0, rise[at[own]], fall[at[own]]))
        up, down = rise.copy(), fall.copy()
        made_up = (more[rows] >= 0) & ~own
        forward, back = (np.where(sign > 0, first, second) for first, second in (
            (more[rows], less[rows]), (less[rows], more[rows])))  # fmt: skip
        np.minimum.at(up, at[made_up], forward[made_up])
        np.minimum.at(down, at[made_up], back[made_up])
        keys: dict[int, list[tuple[int, float]]] = {}
        for row, place, sgn in zip(*(x[more[rows] < 0] for x in (rows, at, sign)), strict=True):
            keys.setdefault(int(place), []).append((int(row), float(sgn)))
        twins: dict[tuple[tuple[int, float], ...], list[int]] = {}
        for place, key in keys.items():
            twins.setdefault(tuple(sorted(key)), []).append(place)
        for group in twins.values():
            rising, falling = up[group], down[group]
            up[group] = np.minimum(rising, falling.sum() - falling)
            down[group] = np.minimum(falling, rising.sum() - rising)
        # a leaf moves as far as some other count of its equation
        other = ~own
        reach_more, reach_less = np.zeros(len(self.right)), np.zeros(len(self.right))
        np.maximum.at(reach_more, rows[other], np.where(sign > 0, up[at], down[at])[other])
        np.maximum.at(reach_less, rows[other], np.where(sign > 0, down[at], up[at])[other])
        for row, place, sgn in zip(rows[own], at[own], sign[own], strict=True):
            ends = (reach_less[row], reach_more[row])
            up[place] = min(rise[place], ends[0] if sgn > 0 else ends[1])
            down[place] = min(fall[place], ends[1] if sgn > 0 else ends[0])
        return np.maximum(up, 0.0), np.maximum(down, 0.0)

    def _is_narrow(self, name: str) -> bool:
        """Whether a count is confined; first it is asked what the sums around it alone allow."""
        around = self.system.sums_around(name)
        if 2 * len(around) < len(self.right):
            nearest = _Part(self.system, around, alone=True)
            return nearest._is_confined(name) and self._is_confined(name)
        return self._is_confined(name)

    def _is_confined(self, name: str) -> bool:
        needed = (self.counts[name].least + 1) // 2
        value = self.counts[name].value
        high = self._end(name, 1.0)
        return high - value + 1 < needed and high - self._end(name, -1.0) + 1 < needed

    def interval(self, name: str) -> tuple[float, float]:
        """The least and the largest value of a count."""
        return self._end(name, -1.0), self._end(name, 1.0)

    def _end(self, name: str, sign: float) -> float:
        """The largest value of a count for a `sign` of 1, the least for -1."""
        weights = np.zeros(len(self.values))
        weights[self.place[name]] = sign
        end = float(self._solve(weights)[self.place[name]])
        return float(np.floor(end + 1e-6) if sign > 0 else np.ceil(end - 1e-6))

    def _of_one_equation(self) -> tuple[np.ndarray, np.ndarray]:
        """The intervals where one sum stands alone, by the bounds of the other counts."""
        signs = np.zeros(len(self.values))
        signs[self.equations.indices] = self.equations.data
        least = np.where(signs > 0, signs * self.low, signs * self.high)
        most = np.where(signs > 0, signs * self.high, signs * self.low)
        ends = self.right[0] - (most.sum() - most), self.right[0] - (least.sum() - least)
        low, high = np.where(signs > 0, ends[0], -ends[1]), np.where(signs > 0, ends[1], -ends[0])
        return np.maximum(low, self.low), np.minimum(high, self.high)

    def _solve(self, weights: np.ndarray) -> np.ndarray:
        """The counts that agree with what is shown and have the largest weighted sum."""
        answer = linprog(
            -weights,
            A_eq=self.equations,
            b_eq=self.right,
            bounds=np.column_stack([self.low, self.high]),
            method="highs",
        )
        return self.values if answer.x is None else np.asarray(answer.x)


def _entries(equations: sparse.csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The row, column and value of each entry."""
    rows = np.repeat(np.arange(equations.shape[0]), np.diff(equations.indptr))
    return rows, equations.indices, equations.data
