"""What each value of a manifest, and of a bundle's example request, must be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from growthlab.core.pseudonyms import NAMES_OF_CUSTOMERS
from growthlab.ranking.candidates import SEEN_EVENTS

LONGEST_TEXT = 20_000  # characters
MOST_ENTRIES = 20_000  # of a list or a mapping
HEX = re.compile(r"[0-9a-f]+")
Check = Callable[[Any], bool]


def text(value: Any) -> bool:
    """A text that can be written as UTF-8."""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def whole(low: int, high: int) -> Check:
    """A whole number in `low` ... `high`."""
    return lambda value: type(value) is int and low <= value <= high


def number(value: Any) -> bool:
    """A finite number."""
    return type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value)


def hex_digits(n: int) -> Check:
    """`n` hex digits."""
    return lambda value: text(value) and len(value) == n and bool(HEX.fullmatch(value))


def date(value: Any) -> bool:
    """A date and time in ISO form."""
    try:
        return text(value) and len(value) < 64 and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


def optional(check: Check) -> Check:
    """That, or null."""
    return lambda value: value is None or check(value)


def list_of(check: Check, most: int = MOST_ENTRIES) -> Check:
    """A list of at most `most` of that."""
    return lambda v: isinstance(v, list) and len(v) <= most and all(check(each) for each in v)


def mapping_of(check: Check, key: Check = text) -> Check:
    """A mapping of names to that."""
    return lambda value: (
        isinstance(value, dict)
        and len(value) <= MOST_ENTRIES
        and all(key(name) and check(each) for name, each in value.items())
    )


def file_name(value: Any) -> bool:
    """A path within the bundle: not absolute, without ``..``."""
    if not text(value) or not value or len(value) > 500 or "\\" in value or "\0" in value:
        return False
    parts = value.split("/")
    return not PurePosixPath(value).is_absolute() and not {"", ".", ".."} & set(parts)


def _file(value: Any) -> bool:
    checks = {"sha256": hex_digits(64), "size": whole(0, 2**50)}
    return isinstance(value, dict) and not wrong_value(value, checks, checks)


SEED = whole(-(2**63), 2**63 - 1)
METRIC = mapping_of(optional(number))
MANIFEST_VALUES: Mapping[str, Check] = {
    "task": text,
    "answer": mapping_of(text),
    "model": text,
    "data": text,
    "data_digest": text,
    "split": text,
    "seed": SEED,
    "tie_seed": SEED,
    "run_id": optional(text),
    "cutoff": optional(date),
    "horizon_days": optional(lambda value: number(value) and 0 < value <= 1e6),
    "filter_seen": lambda value: text(value) and value in SEEN_EVENTS,
    "filter_seen_reason": text,
    "history_events": list_of(text),
    "target_events": list_of(text),
    "metrics": mapping_of(METRIC),
    "valid": METRIC,
    "baselines": mapping_of(METRIC),
    "code_version": text,
    "user_ids": lambda value: value in NAMES_OF_CUSTOMERS,
    "kind": text,
    "created": date,
    "namespace": text,
    "key_fingerprint": hex_digits(16),
    "versions": mapping_of(text),
    "counts": mapping_of(whole(0, 2**50)),
    "files": mapping_of(_file, file_name),
    "schema_version": whole(1, 10**6),
    "state_cutoff": optional(date),
    "refreshed": optional(date),
    "index": optional(mapping_of(lambda value: text(value) or number(value))),
    "earlier": mapping_of(optional(date)),
}


def wrong_value(
    content: Mapping[str, Any],
    checks: Mapping[str, Check],
    required: Sequence[str] | Mapping[str, Any],
) -> str:
    """What is wrong with the first wrong entry: ``seed is 'x'``; empty where all are as they must be."""
    for name in required:
        if name not in content:
            return f"{name!r} is missing"
    for name, value in content.items():
        if name not in checks:
            return f"it has no {name[:60]!r}"
        if not checks[name](value):
            return f"{name} is {shown(value)}"
    return ""


def required_names(fields: Sequence[Field[Any]]) -> list[str]:
    """The names of a dataclass's fields without a default."""
    bare = (MISSING, MISSING)
    return [field.name for field in fields if (field.default, field.default_factory) == bare]


def shown(value: Any) -> str:
    """A value for a message, cut where it is long."""
    content = repr(value)
    return content if len(content) <= 60 else f"{content[:60]}..."
