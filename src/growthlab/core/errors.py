"""Errors that a user can fix: one line that says what was given, what is possible, what to do."""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Iterable, Sequence

LONGEST_COMPARED = 64  # letters of a name to which near ones are looked for
MOST_COMPARED = 300  # of the possible names: those beside it in the alphabet


class GrowthlabError(Exception):
    """A mistake in the input, not a bug: the command prints its one line and exits with status 2."""


class ConfigError(GrowthlabError, ValueError):
    """A wrong key, choice, type or value in the configuration."""


class DataError(GrowthlabError, ValueError):
    """Data that is missing, unreadable or not enough for the request."""


class LackingDataError(DataError, ConfigError):
    """Data without what one model needs, such as texts of items, and no mistake of anybody's.

    A model raises it when it is fitted: a comparison of all models goes on without the model.
    """


class BundleError(GrowthlabError, ValueError):
    """A bundle that is corrupt, of a newer schema, or unable to answer the request."""


class RequestError(BundleError):
    """A request that a bundle cannot answer.

    The message names what was given, for whoever runs a command; `public` says the same without
    repeating anything of the request, for clients of the service.
    """

    def __init__(self, message: str, public: str) -> None:
        super().__init__(message)
        self.public = public


class AnswerError(GrowthlabError, RuntimeError):
    """A model's answer that is none, such as NaN: a fault of its bundle, never of the request."""


class ExportError(GrowthlabError, ValueError):
    """A fitted model of a kind that cannot be exported."""


def one_line(error: BaseException) -> str:
    """The message of an exception without line breaks; its type's name if the message is empty."""
    return " ".join(str(error).split()) or type(error).__name__


def first_line(error: BaseException) -> str:
    """The first line of a library's message, which says enough."""
    return str(error).strip().splitlines()[0]


def quoted(value: object, longest: int = 80) -> str:
    """A value as it is shown in a message: on one line, without control characters, not too long."""
    text = value if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= longest else f"{text[:longest]}..."


def near_matches(given: str, possible: Iterable[str], n_listed: int = 20, prefix: str = "") -> str:
    """The end of an error line: the possible names closest to `given`, else the first `n_listed`.

    `prefix` is put before each name shown, and is not part of the comparison.
    """
    return near_matches_among(given, sorted({str(name) for name in possible}), n_listed, prefix)


def near_matches_among(
    given: str, names: Sequence[str], n_listed: int = 20, prefix: str = ""
) -> str:
    """`near_matches` among distinct names that are sorted already.

    The cost is bounded whoever writes `given`: a long one is compared with no name, any other with
    the `MOST_COMPARED` names beside it in the alphabet.
    """
    place = bisect_left(names, given) if len(names) > MOST_COMPARED else 0
    beside = names[max(0, place - MOST_COMPARED // 2) :][:MOST_COMPARED]
    short = len(given) <= LONGEST_COMPARED
    close = difflib.get_close_matches(given, beside, n=3, cutoff=0.6) if short else []
    if close:
        return f"did you mean {' or '.join(prefix + name for name in close)}?"
    listed = ", ".join(prefix + name for name in names[:n_listed])
    more = ", ..." if len(names) > n_listed else ""
    return f"possible: {listed}{more}" if names else "nothing is possible here"
