"""The worst bodies of every kind that fit into the limit of a service, made by a few rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MOST_BYTES = 4 * 2**20  # `max_body_mb`
N_ITEMS = 10_000  # of the made shop

Cases = Iterator[tuple[str, bytes]]


def repeated(start: bytes, part: bytes, end: bytes, most: int = MOST_BYTES) -> bytes:
    """As many parts, joined by commas, as fit."""
    n = (most - len(start) - len(end)) // (len(part) + 1)
    return start + b",".join([part] * n) + end


def numbered(start: bytes, part: bytes, end: bytes, most: int = MOST_BYTES) -> bytes:
    """As many parts with their number as fit."""
    n = (most - len(start) - len(end)) // (len(part % 1_000_000) + 1)
    return start + b",".join(part % (1_000_000 + i) for i in range(n)) + end


def any_json() -> Cases:
    """Bodies that are no request: what reading and refusing them costs."""
    yield "unknown fields", numbered(b"{", b'"f%d":0', b"}")
    yield "20,000 unknown fields", numbered(b"{", b'"f%d":0', b"}", 20_000 * 12)
    yield "unknown fields in rules", numbered(b'{"rules":{', b'"f%d":0', b"}}")
    yield "one unknown field with a long name", b'{"%b":0}' % (b"k" * (MOST_BYTES - 10))
    yield "unknown fields with long names", numbered(b"{", b'"' + b"user_i" * 100 + b'%d":0', b"}")
    yield "one field again and again", repeated(b"{", b'"k":1', b"}")
    yield "arrays in arrays", b"[" * (MOST_BYTES // 2) + b"]" * (MOST_BYTES // 2)
    yield "arrays in arrays without end", b"[" * MOST_BYTES
    yield "objects in objects", b'{"a":' * (MOST_BYTES // 6)
    yield "190 arrays in arrays, many", repeated(b"[", b"[" * 190 + b"]" * 190, b"]")
    yield "empty arrays", repeated(b"[", b"[]", b"]")
    yield "empty objects", repeated(b'{"history":[', b"{}", b"]}")
    yield "small objects", repeated(b'{"history":[', b'{"a":{}}', b"]}")
    yield "numbers", repeated(b'{"history":[', b"1", b"]}")
    yield "fractions", repeated(b'{"history":[', b"1.5", b"]}")
    yield "long numbers", repeated(b'{"history":[', b"9" * 4300, b"]}")
    yield "one long number", b'{"k":' + b"9" * (MOST_BYTES - 10) + b"}"
    yield "one long fraction", b'{"k":0.' + b"3" * (MOST_BYTES - 10) + b"}"
    yield "a long exponent", b'{"k":1e' + b"9" * (MOST_BYTES - 10) + b"}"
    yield "one long text", b'{"user_id":"' + b"x" * (MOST_BYTES - 20) + b'"}'
    yield "one long escaped text", b'{"user_id":"' + b"\\u00e9" * (MOST_BYTES // 6 - 10) + b'"}'
    yield "backslashes", b'{"user_id":"' + b"\\\\" * (MOST_BYTES // 2 - 10) + b'"}'
    yield "quotes", b'"' * MOST_BYTES
    yield "commas in a text", b'{"user_id":"' + b",[" * (MOST_BYTES // 2 - 10) + b'"}'
    yield "empty texts", repeated(b'{"history":[', b'""', b"]}")
    yield "texts in other letters", repeated(b'{"exclude":[', '"日本語"'.encode(), b"]}")
    yield "blanks", b" " * (MOST_BYTES - 2) + b"{}"
    yield "blanks between", repeated(b"[", b"1" + b" " * 50, b"]")
    yield "no JSON", b"\xff" * MOST_BYTES
    yield "zeros", b"\0" * MOST_BYTES


def wrong_types(fields: list[str]) -> Cases:
    """Every field with values of a wrong type, as many as fit."""
    wrong = {
        "numbers": b"1",
        "empty arrays": b"[]",
        "objects": b'{"a":1}',
        "nulls": b"null",
        "texts": b'"x"',
    }
    for name in fields:
        for what, part in wrong.items():
            yield (
                f"{name}: {what}",
                repeated(b'{"%b":[' % name.encode(), part, b"]}", MOST_BYTES // 16),
            )
        yield f"{name}: 10,000 numbers", repeated(b'{"%b":[' % name.encode(), b"1", b"]}", 20_000)
        yield f"{name}: object", numbered(b'{"%b":{' % name.encode(), b'"f%d":[]', b"}}")
    yield "all fields wrong", json.dumps({name: [1] * 5_000 for name in fields}).encode()


@dataclass
class Shop:
    """What the made bundle knows."""

    items: list[str] = field(default_factory=lambda: [f"i{j:06d}" for j in range(N_ITEMS)])

    def ids(self, n: int, first: int = 0) -> list[str]:
        return [self.items[(first + 7 * j) % N_ITEMS] for j in range(n)]

    def lists(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Requests for a list that are as expensive as a right one may be."""
        known, unknown = self.ids(10_000), [f"x{j:06d}" for j in range(10_000)]
        long = [f"{j:06d}".rjust(256, "y") for j in range(2_000)]
        shelves = [f"c{j:06d}" for j in range(100)]
        for name in ("history", "basket"):
            yield f"{name} of 10,000", {name: known}
            yield f"{name} of 10,000, k=1000", {name: known, "k": 1000}
            yield f"{name} of 10,000 once", {name: [self.items[3]] * 10_000, "k": 1000}
            yield f"{name} of 10,000 unknown", {name: unknown, "k": 1000}
            yield f"{name} of 2,000 long ids", {name: long, "k": 1000}
        yield "k=1000", {"k": 1000}
        yield "10,000 excluded", {"exclude": known, "k": 1000}
        yield "one long id excluded", {"exclude": ["x" * 256], "k": 1000}
        for about, rules in {
            "1,000 pins": {"pinned": self.ids(1000)},
            "1,000 pins and a cap": {"pinned": self.ids(1000), "max_per_category": 1},
            "one pin again and again": {"pinned": [self.items[0]] * 1000, "max_per_category": 1},
            "a cap": {"max_per_category": 1},
            "allow 10,000": {"allow": known, "max_per_category": 1},
            "allow 10,000 unknown": {"allow": unknown},
            "deny 10,000": {"deny": known, "max_per_category": 1},
            "100 categories": {"categories": shelves},
            "one category 100 times": {"categories": ["c000007"] * 100},
            "an unknown category": {"categories": ["c00001"]},
            "an unknown category of equal letters": {"categories": ["0" * 256]},
            "100 unknown categories": {"categories": [f"C{j}" for j in range(100)]},
            "prices": {"price_min": -1e308, "price_max": 1e308, "in_stock": True},
            "no price": {"price_min": 1e308},
            "all": {
                "allow": known,
                "deny": self.ids(10_000, 3),
                "categories": shelves,
                "in_stock": True,
                "price_min": 0,
                "price_max": 1e9,
                "max_per_category": 1,
                "pinned": self.ids(1000),
            },
        }.items():
            yield about, {"rules": rules, "k": 1000}
        yield (
            "everything",
            {
                "history": known,
                "exclude": self.ids(10_000, 5),
                "k": 1000,
                "rules": {
                    "allow": self.ids(10_000, 1),
                    "deny": self.ids(10_000, 2),
                    "pinned": self.ids(1000),
                    "max_per_category": 1,
                },
            },
        )

    def batches(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Batches as expensive as they may be."""
        known = self.ids(10_000)
        users = [f"u{j:06d}" for j in range(256)]
        pins = {"pinned": known[:1000], "max_per_category": 1}
        shelves = [[f"c{(100 * i + j) % N_ITEMS:06d}" for j in range(100)] for i in range(256)]
        lists: dict[str, list[dict[str, Any]]] = {
            "20 x 10,000 numbers": [{"history": [1] * 10_000}] * 20,
            "256 x unknown fields": [{f"f{j}": 0 for j in range(1000)}] * 256,
            "256 customers": [{"user_id": user} for user in users],
            "256 of another k": [{"user_id": u, "k": 1 + j % 150} for j, u in enumerate(users)],
            "20 of k=1000": [{"user_id": user, "k": 1000} for user in users[:20]],
            "30 histories of 10,000": [{"history": known}] * 30,
            "256 histories of 1,000": [{"history": known[:1000]}] * 256,
            "5 histories of 10,000": [{"history": known, "k": 1000}] * 5,
            "256 histories of 200": [{"history": known[j : j + 200]} for j in range(256)],
            "20 baskets, k=1000": [{"basket": known[:2000], "k": 1000}] * 20,
            "256 caps": [{"k": 78, "rules": {"max_per_category": 1}}] * 256,
            "20 x 1,000 pins and a cap": [{"k": 1000, "rules": pins}] * 20,
            "256 prices": [{"k": 78, "rules": {"price_min": j / 300}} for j in range(256)],
            "256 x 100 categories": [{"rules": {"categories": names}} for names in shelves],
            "256 unknown categories": [{"rules": {"categories": [f"C{i}"]}} for i in range(256)],
            "10,000 empty requests": [{}] * 10_000,
        }
        for about, bodies in lists.items():
            yield about, {"recommend": bodies}
        features = [{"features": {f"f{i}_{j}": j for j in range(200)}} for i in range(256)]
        numbers: dict[str, list[dict[str, Any]]] = {
            "20 x 10,000 numbers as features": [{"features": [1] * 10_000}] * 20,
            "256 customers' numbers": [{"user_id": user} for user in users],
            "256 x 200 unknown features": features,
        }
        for about, bodies in numbers.items():
            yield about, {"churn": bodies}
        yield (
            "both numbers of 128",
            dict.fromkeys(("churn", "value"), numbers["256 customers' numbers"][:128]),
        )

    def numbers(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Requests for a number with as many features as may be."""
        for about, features in {
            "1,000 unknown features": {f"f{j}": j for j in range(1000)},
            "10,000 features": {f"f{j}": j for j in range(10_000)},
            "features of wrong types": {f"f{j}": [j] for j in range(1000)},
            "features with long names": {f"{j:06d}".rjust(256, "f"): 1 for j in range(1000)},
            "features with too long names": {f"{j:06d}".rjust(300, "f"): 1 for j in range(1000)},
            "a long text as a number": {"days_since_last": "x" * 256},
        }.items():
            yield about, {"features": features}

    def feedback(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Feedback about as many items as may be."""
        about = {"request_id": "0" * 32, "event": "click"}
        yield "1,000 long items", {**about, "items": ["x" * 256] * 1000}
        yield "10,000 items", {**about, "items": ["x"] * 10_000}
        yield "a long request_id", {**about, "request_id": "0" * 1_000_000}
        yield "a long event", {**about, "event": "click" * 100_000}


def on_the_wire() -> Cases:
    """Bytes that no client would send."""
    head = b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    yield "a long header", head + b"X: " + b"x" * MOST_BYTES
    yield "many headers", head + b"x:\r\n" * (MOST_BYTES // 4)
    yield "a long path", b"GET /" + b"a" * MOST_BYTES
    yield "a long path with escapes", b"GET /" + b"%41" * (MOST_BYTES // 3)
    yield "as many headers as are read", head + b"x:\r\n" * 4_000 + b"\r\n"
    yield "chunks of one byte", chunked + b"1\r\n \r\n" * (MOST_BYTES // 6)
    yield "long extensions of chunks", chunked + b"1;" + b"x" * MOST_BYTES
    yield "many trailers", chunked + b"0\r\n" + b"a: b\r\n" * (MOST_BYTES // 6)
    yield "a long trailer", chunked + b"0\r\na: " + b"b" * MOST_BYTES
    yield "a body of 40 MB", head + b"Content-Length: 41943040\r\n\r\n" + b" " * 41_943_040
    yield "100 requests", b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" * 100


def cases_of(path: str, fields: list[str], shop: Shop) -> Cases:
    """All bodies for a path, each within the limit."""
    yield from any_json()
    yield from wrong_types(fields)
    own = {
        "/recommend": shop.lists,
        "/similar": lambda: (
            (about, {n: v for n, v in body.items() if n in fields} | {"item": shop.items[5]})
            for about, body in shop.lists()
        ),
        "/churn": shop.numbers,
        "/value": shop.numbers,
        "/batch": shop.batches,
        "/feedback": shop.feedback,
    }[path]
    for about, body in own():
        yield about, json.dumps(body, separators=(",", ":")).encode()
