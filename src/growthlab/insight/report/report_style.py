"""How the page looks: on a screen, on a phone, on paper."""

from __future__ import annotations

CSS = """
:root { --ink: #222; --quiet: #5f5f5f; --pale: #e3e3e3; --blue: #0072b2; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--ink); background: #fff; max-width: 1100px; margin: 0 auto; padding: 16px; }
h1 { font-size: 1.7rem; margin: .2em 0; } h2 { font-size: 1.35rem; margin: 2em 0 .4em;
  border-bottom: 2px solid var(--blue); padding-bottom: .15em; }
h3 { font-size: 1.15rem; margin: 1.4em 0 .3em; } h4 { font-size: 1rem; margin: 1.2em 0 .4em; }
h4 code { font-weight: 400; font-size: .78rem; color: var(--quiet); overflow-wrap: anywhere; }
p { margin: .3em 0; overflow-wrap: anywhere; } .note, .file { color: var(--quiet); font-size: .87rem; }
nav { display: flex; flex-wrap: wrap; gap: .3em 1.1em; margin: 1em 0; }
a { color: var(--blue); padding: .3em 0; }
.body { display: flex; flex-wrap: wrap; gap: 4px 32px; }
.rows { flex: 0 1 auto; min-width: 0; max-width: 100%; }
.plots { flex: 1 1 330px; min-width: 0; max-width: 100%; display: grid;
  gap: 14px 28px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); }
figure { margin: 0; min-width: 0; } figure.wide { grid-column: 1 / -1; }
figcaption { font-size: .87rem; font-weight: 600; }
svg { display: block; width: 100%; max-width: 520px; height: auto; }
svg text { font-family: inherit !important; }
.scroll { overflow-x: auto; margin: .5em 0; }
table { border-collapse: collapse; font-size: .84rem; font-variant-numeric: tabular-nums; }
th, td { padding: .28em .6em; text-align: right; border-bottom: 1px solid var(--pale); }
thead th { vertical-align: bottom; font-weight: 600; border-bottom: 1px solid var(--quiet); }
th.name, td.name, .heat th[scope=row], .heat thead th:first-child { text-align: left; }
td.name { min-width: 6em; } td { white-space: nowrap; } td.name { white-space: normal; }
th:first-child, td:first-child { position: sticky; left: 0; background: #fff; white-space: nowrap; }
tr.part td { color: var(--quiet); font-style: italic; }
.hidden { color: var(--quiet); font-style: italic; }
.heat td { border-bottom: 0; padding: .3em .45em; }
dl { display: grid; gap: .15em 28px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr));
  font-size: .8rem; color: var(--quiet); margin: .5em 0 1.4em; }
dt { font-weight: 600; display: inline; color: var(--ink); } dt::after { content: ": "; }
dd { display: inline; margin: 0; overflow-wrap: anywhere; }
.tiles { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 235px), 1fr)); }
.tile { border: 1px solid var(--pale); border-radius: 6px; padding: 10px 12px; }
.tile b { font-size: .85rem; } .tile strong { display: block; font-size: 1.5rem; line-height: 1.3; }
.tile small span { display: inline-block; margin-right: .9em; } .tile small { color: var(--ink); }
.tile p { font-size: .78rem; color: var(--quiet); }
@media (max-width: 480px) { body { padding: 12px; font-size: 16px; } table { font-size: .8rem; }
  td.name { min-width: 8em; } }
@media print {
  @page { margin: 12mm; }
  html { font-size: 10px; } body { font-size: 1rem; max-width: none; padding: 0; }
  nav { display: none; } .scroll { overflow: visible; } table { font-size: .8rem; }
  th, td { padding: .2em .35em; }
  th:first-child, td:first-child { position: static; }
  .plots { grid-template-columns: repeat(auto-fit, minmax(min(100%, 230px), 1fr)); }
  .tiles { grid-template-columns: repeat(4, 1fr); } dl { grid-template-columns: repeat(2, 1fr); }
  svg { max-width: 330px; }
  figure, .tile, tr { break-inside: avoid; } h2, h3, h4, figcaption { break-after: avoid; }
  .heat td { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
