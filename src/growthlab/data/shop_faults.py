"""Faults: what real logs suffer from, put into a clean one in known numbers."""
from __future__ import annotations
def inject(events, faults, seed):
    return events, {}
