"""The report as one HTML page: no script, no request, readable on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from growthlab.monitoring.monitoring_report import MonitoringReport, MonitoringTable
from growthlab.monitoring.stability import Drift

WORDS = ("model", "level", "champion")  # columns that are flush left, beside the first
MOST_DRAWN = 12  # distributions, the farthest first
CSS = """
:root { --ink: #222; --quiet: #5f5f5f; --pale: #e3e3e3; --then: #b5b5b5; --now: #0072b2; }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: #fff; max-width: 1180px;
  margin: 0 auto; padding: 16px; }
h1 { font-size: 1.5rem; margin: .2em 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 1.8em 0 .3em; }
h3 { font-size: .9rem; margin: 0 0 .3em; overflow-wrap: anywhere; }
p { margin: .3em 0; } .note { color: var(--quiet); font-size: .87rem; }
.alerts { list-style: none; padding: 0; }
.alerts li { padding: .5em .8em; margin: .4em 0; border-left: 5px solid; }
.alerts .grave { border-color: #b3261e; background: #fdeceb; }
.alerts .watch { border-color: #9a6700; background: #fff6de; }
.alerts .fine { border-color: #1a7f37; background: #e9f7ee; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .84rem; font-variant-numeric: tabular-nums; }
th, td { padding: .28em .6em; text-align: right; border-bottom: 1px solid var(--pale); white-space: nowrap; }
th:first-child, td:first-child, .word { text-align: left; }
th, .word, td:has(.bounds) { white-space: normal; } .bounds { white-space: nowrap; }
.plots { display: grid; gap: 18px 28px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); }
svg { display: block; width: 100%; max-width: 420px; height: auto; }
svg text { font-size: 10px; fill: var(--ink); }
.then { fill: var(--then); } .now { fill: var(--now); }
"""


def page(report: MonitoringReport) -> str:
    """The whole document."""
    facts = "".join(f"<p>{escape(fact)}</p>" for fact in report.facts)
    body = [f"<header><h1>{escape(report.title)}</h1>{facts}</header>", _alerts(report)]
    body += [_table(table) for table in report.tables]
    body.append(_plots(report))
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(report.title)}</title><link rel="icon" href="data:,"><style>{CSS}</style>'
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'
    )


def _alerts(report: MonitoringReport) -> str:
    items = [
        f'<li class="{"grave" if alert.severity == "grave" else "watch"}">{escape(alert.text)}</li>'
        for alert in report.alerts
    ]
    shown = "".join(items) or '<li class="fine">Nothing is out of its limits.</li>'
    return f'<section><h2>Alerts</h2><ul class="alerts">{shown}</ul></section>'


def _table(table: MonitoringTable) -> str:
    sides = [" class=word" if name in WORDS else "" for name in table.header]
    head = _row("th", table.header, sides)
    rows = "".join(_row("td", row, sides) for row in table.rows)
    return (
        f'<section><h2>{escape(table.title)}</h2><p class="note">{escape(table.note)}</p>'
        f'<div class="scroll" tabindex="0"><table><thead>{head}</thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _row(kind: str, cells: Sequence[str], sides: Sequence[str]) -> str:
    inside = [f"<{kind}{s}>{_cell(c)}</{kind}>" for c, s in zip(cells, sides, strict=True)]
    return f"<tr>{''.join(inside)}</tr>"


def _cell(text: str) -> str:
    """Where there is little room, the bounds of an interval go below its value."""
    value, bracket, bounds = text.partition(" [")
    if not bracket:
        return escape(text)
    return f'{escape(value)} <span class="bounds">[{escape(bounds)}</span>'


def _plots(report: MonitoringReport) -> str:
    """The distributions that went farthest, drawn."""
    drifts = sorted(report.found.drifts, key=lambda d: -d.psi)[:MOST_DRAWN]
    if not drifts:
        return ""
    drawn = "".join(f"<div><h3>{escape(d.name)}</h3>{_bars(d)}</div>" for d in drifts)
    note = '<p class="note">Shares of each bin: grey at export, blue now.</p>'
    return f'<section><h2>Distributions</h2>{note}<div class="plots">{drawn}</div></section>'


def _bars(drift: Drift) -> str:
    """Two bars a bin; bins that neither side uses are left out."""
    used = np.flatnonzero((drift.reference > 0) | (drift.current > 0))
    then = drift.reference / max(drift.reference.sum(), 1)
    now = drift.current / max(drift.current.sum(), 1)
    widest = max(float(then.max()), float(now.max()), 1e-9)
    bars = []
    for row, place in enumerate(used.tolist()):
        top = row * 24
        label = drift.labels[place]
        label = label if len(label) <= 20 else f"{label[:19]}…"
        bars.append(f'<text x="128" y="{top + 14}" text-anchor="end">{escape(label)}</text>')
        for kind, share, y in (("then", then[place], top + 2), ("now", now[place], top + 11)):
            width = 225 * float(share) / widest
            bars.append(
                f'<rect class="{kind}" x="134" y="{y}" width="{width:.1f}" height="8"/>'
                f'<text x="{138 + width:.1f}" y="{y + 8}">{share:.1%}</text>'
            )
    height = 24 * len(used)
    title = escape(f"{drift.name}: shares of each bin at export and now")
    return f'<svg viewBox="0 0 410 {height}" role="img" aria-label="{title}">{"".join(bars)}</svg>'
