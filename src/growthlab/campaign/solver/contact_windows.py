"""Caps on contacts within rolling days, as the sets of days on which a customer may get a message."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from growthlab.core.errors import ConfigError

MOST_SCHEDULES = (
    5000  # a customer; beyond, the choice among them costs more than that of the options
)


@dataclass(frozen=True)
class ContactCap:
    """At most `most` messages in any `days` days that follow one another, in one channel or in all."""

    most: int
    days: int
    channel: int | None = None


@dataclass(frozen=True)
class ContactWindows:
    """What is left of the caps: `counted` cells of each window hold at most `allowance` messages.

    A cell is a day, or with `by_channel` a day and a channel: ``day * n_channels + channel``.
    `counted` has the shape ``(n_windows, n_cells)``, `allowance` ``(n_customers, n_windows)``.
    """

    by_channel: bool
    counted: np.ndarray
    allowance: np.ndarray

    @classmethod
    def of_caps(
        cls, caps: list[ContactCap], sent: np.ndarray, n_days: int, n_channels: int
    ) -> ContactWindows:
        """The windows that end on a planned day.

        `sent` counts the messages a customer got before, shape ``(n_customers, n_past, n_channels)``, by
        day, the last one the day before the plan. A later window holds no more of the planned days.
        """
        by_channel = any(cap.channel is not None for cap in caps)
        width = n_channels if by_channel else 1
        counted, allowance = [], []
        for cap in caps:
            for end in range(n_days):
                cells = np.zeros((n_days, width), dtype=bool)
                own = slice(None) if cap.channel is None else cap.channel
                cells[max(end - cap.days + 1, 0) : end + 1, own if by_channel else 0] = True
                n_before = cap.days - end - 1
                before = (
                    sent[:, max(sent.shape[1] - n_before, 0) :] if n_before > 0 else sent[:, :0]
                )
                n_sent = before[..., own].reshape(len(sent), -1).sum(axis=1)
                counted.append(cells.ravel())
                allowance.append(np.clip(cap.most - n_sent, 0, cells.sum()))
        shape = (len(counted), n_days * width)
        return cls(
            by_channel,
            np.array(counted, dtype=bool).reshape(shape),
            np.array(allowance, dtype=np.int16).reshape(len(counted), len(sent)).T,
        )


@dataclass(frozen=True)
class Schedules:
    """The largest sets of cells that each group of customers may get messages in.

    `sets` has a 0/1 array ``(n_sets, n_cells)`` a group, and `group` the group of each customer.
    """

    group: np.ndarray
    sets: list[np.ndarray]

    @classmethod
    def of_windows(
        cls, windows: ContactWindows | None, n_customers: int, n_days: int, n_channels: int
    ) -> Schedules:
        """Customers with the same allowance in each window are one group.

        Raises
        ------
        ConfigError
            A customer has more than `MOST_SCHEDULES` such sets.
        """
        if windows is None:
            return cls(np.zeros(n_customers, dtype=np.int64), [np.ones((1, n_days))])
        group = np.zeros(n_customers, dtype=np.int64)
        for allowed in windows.allowance.T:
            codes = group * (int(allowed.max(initial=0)) + 1) + allowed
            group = np.unique(codes, return_inverse=True)[1]
        _, first = np.unique(group, return_index=True)
        counted, n_cells = windows.counted, windows.counted.shape[1]
        daily = np.zeros((0, n_cells), dtype=bool)
        if windows.by_channel:  # one message a day
            daily = np.repeat(np.eye(n_days, dtype=bool), n_channels, axis=1)
        counted = np.concatenate([counted, daily])
        ones = np.ones(len(daily), dtype=np.int64)
        sets = [_largest_sets(counted, np.concatenate([windows.allowance[i], ones])) for i in first]
        return cls(group, sets)


def _largest_sets(counted: np.ndarray, allowance: np.ndarray) -> np.ndarray:
    """The sets of cells within all allowances to which no cell can be added."""
    n_cells = counted.shape[1]
    windows_of = [np.flatnonzero(counted[:, cell]) for cell in range(n_cells)]
    found: list[list[int]] = []

    def extend(chosen: list[int], left: np.ndarray, start: int) -> None:
        for cell in range(start, n_cells):
            if (left[windows_of[cell]] > 0).all():
                fewer = left.copy()
                fewer[windows_of[cell]] -= 1
                extend([*chosen, cell], fewer, cell + 1)
        if all((left[windows_of[c]] <= 0).any() for c in range(n_cells) if c not in chosen):
            found.append(chosen)
        if len(found) > MOST_SCHEDULES:
            raise ConfigError(
                f"the contact caps leave more than {MOST_SCHEDULES:,} sets of days to a customer: "
                "plan fewer days at a time"
            )

    extend([], allowance.astype(np.int64), 0)
    sets = np.zeros((len(found), n_cells))
    for row, cells in enumerate(found):
        sets[row, cells] = 1
    return sets
