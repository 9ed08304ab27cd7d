"""Counts and times of the service in the text format of Prometheus, version 0.0.4."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]
Sample = tuple[Labels, float]


class ServiceMetrics:
    """Counters of the service; written and read in the event loop only."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()  # by path and status
        self.served: Counter[tuple[str, str, str]] = (
            Counter()
        )  # by task, variant and how it was served
        self.feedback: Counter[str] = Counter()  # by event
        self.shed = 0
        self.shadow_dropped = 0
        self._seconds: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request, and its time unless it was refused under load."""
        self.requests[path, status] += 1
        if status == 503:
            return
        counts = self._seconds.setdefault(path, [0] * (len(BUCKETS) + 1))
        counts[bisect_left(BUCKETS, seconds)] += 1
        self._sums[path] = self._sums.get(path, 0.0) + seconds

    def text(self, others: Mapping[str, tuple[str, Iterable[Sample]]]) -> str:
        """All metrics as text; `others` are counted elsewhere, each with its help and samples."""
        blocks = [
            _block(
                "growthlab_requests_total",
                "counter",
                "Requests by path and status.",
                [((("path", p), ("status", str(s))), n) for (p, s), n in self.requests.items()],
            ),
            _block(
                "growthlab_served_total",
                "counter",
                "Answers by task, variant and the way they were served.",
                [
                    ((("task", t), ("variant", v), ("served", s)), n)
                    for (t, v, s), n in self.served.items()
                ],
            ),
            _block(
                "growthlab_feedback_total",
                "counter",
                "Feedback by event.",
                [((("event", e),), n) for e, n in self.feedback.items()],
            ),
            _block(
                "growthlab_shed_total", "counter", "Requests refused under load.", [((), self.shed)]
            ),
            _block(
                "growthlab_shadow_dropped_total",
                "counter",
                "Requests that a shadow did not answer, under load.",
                [((), self.shadow_dropped)],
            ),
            self._times(),
        ]
        for name, (about, samples) in others.items():
            kind = "counter" if name.endswith("_total") else "gauge"
            blocks.append(_block(name, kind, about, samples))
        return "".join(blocks)

    def _times(self) -> str:
        name = "growthlab_request_seconds"
        lines = [
            f"# HELP {name} Seconds of the requests that were let in.\n# TYPE {name} histogram\n"
        ]
        for path, counts in self._seconds.items():
            for limit, count in zip([*BUCKETS, "+Inf"], accumulate(counts), strict=True):
                labels = _labels((("path", path), ("le", str(limit))))
                lines.append(f"{name}_bucket{labels} {count}\n")
            labels = _labels((("path", path),))
            lines.append(f"{name}_sum{labels} {self._sums[path]:.9g}\n")
            lines.append(f"{name}_count{labels} {sum(counts)}\n")
        return "".join(lines)


def resident_bytes() -> int:
    """The memory that this process holds; 0 where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _block(name: str, kind: str, about: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {about}\n# TYPE {name} {kind}\n"]
    lines += [f"{name}{_labels(labels)} {value:.15g}\n" for labels, value in samples]
    return "".join(lines)


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
