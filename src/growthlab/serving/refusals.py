"""Why a request is not answered, where that is no mistake in the request."""

from __future__ import annotations


class Overloaded(Exception):
    """More requests are waiting than can be answered in time."""


class NoModel(Exception):
    """No bundle of this task is loaded."""
