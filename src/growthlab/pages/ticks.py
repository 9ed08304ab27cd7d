"""The marks of an axis: round numbers, whole numbers, and the beginnings of days, months and years."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class DateWords:
    """How the marks of an axis name days, months and years, by the placeholders day, month and year."""

    months: Sequence[str] = (
        *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
        *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    )
    year: str = "{year}"
    month: str = "{month}"
    month_of_year: str = "{month} {year}"
    day: str = "{day} {month}"
    day_of_year: str = "{day} {month} {year}"

    def label(self, form: str, day: datetime) -> str:
        """The day in one of these forms."""
        return form.format(day=day.day, month=self.months[day.month - 1], year=f"{day:%Y}")


ENGLISH_DATES = DateWords()
DAY_STEPS = (1, 2, 7, 14)
MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)


def number_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most `most` + 1 multiples of a round step (1, 2, 2.5, 5 times a power of ten) in the range.

    >>> number_ticks(0, 64)
    [0.0, 20.0, 40.0, 60.0]
    """
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power * most >= high - low)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [place * step for place in range(first, last + 1)]


def whole_ticks(low: float, high: float, most: int = 8) -> list[float]:
    """The same with whole numbers only."""
    return [tick for tick in number_ticks(low, high, most) if tick == round(tick)]


def date_ticks(
    first: datetime, last: datetime, most: int = 6, words: DateWords = ENGLISH_DATES
) -> list[tuple[datetime, str]]:
    """At most `most` + 1 days, or first days of months, with their labels.

    The first label names its year, and January is named by the year that begins.

    >>> [label for _, label in date_ticks(datetime(2024, 10, 1), datetime(2025, 4, 1))]
    ['Oct 2024', 'Nov', 'Dec', '2025', 'Feb', 'Mar', 'Apr']
    """
    days = (last - first) / timedelta(days=1)
    for step in DAY_STEPS:
        if days <= step * most:
            return _days(first, last, step, words)
    months = 12 * (last.year - first.year) + last.month - first.month
    step = next((s for s in MONTH_STEPS if months <= s * most), MONTH_STEPS[-1])
    return _months(first, last, step, words)


def _days(
    first: datetime, last: datetime, step: int, words: DateWords
) -> list[tuple[datetime, str]]:
    start = first.replace(hour=0, minute=0, second=0, microsecond=0)
    start += timedelta(days=0 if start == first else 1)
    count = max(0, int((last - start) / timedelta(days=step)) + 1) if last >= start else 0
    ticks = [start + timedelta(days=step * n) for n in range(count)]
    forms = [words.day_of_year if tick == ticks[0] else words.day for tick in ticks]
    return [(tick, words.label(form, tick)) for tick, form in zip(ticks, forms, strict=True)]


def _months(
    first: datetime, last: datetime, step: int, words: DateWords
) -> list[tuple[datetime, str]]:
    begin = 12 * first.year + first.month - 1
    end = 12 * last.year + last.month - 1
    ticks = [
        datetime(n // 12, n % 12 + 1, 1) for n in range(-(-begin // step) * step, end + 1, step)
    ]
    ticks = [tick for tick in ticks if first <= tick <= last]
    labels = []
    for tick in ticks:
        form = words.month_of_year if tick == ticks[0] else words.month
        labels.append(words.label(words.year if tick.month == 1 or step >= 12 else form, tick))
    return list(zip(ticks, labels, strict=True))
