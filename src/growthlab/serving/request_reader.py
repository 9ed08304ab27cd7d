"""From the bytes of a request to its body, at a cost that is bounded whatever the bytes say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, get_args, get_origin

import numpy as np
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from growthlab.core.errors import LONGEST_COMPARED, near_matches
from growthlab.serving.schemas import LARGEST_BATCH

LARGE_BYTES = 16 * 1024  # reading more may take longer than the event loop may wait
MOST_VALUES = 60_000  # more than a single request can use; in memory each takes up to 300 bytes
MOST_DIGITS = 400  # of a number; the largest that a float can hold has 309
MOST_PROBLEMS = 10  # reported, and looked for
MOST_HINTED = 3  # unknown fields with a hint at what was meant
QUOTE = ord('"')
NO_SUCH_FIELD = "there is no such field"
IN_WORDS_OF_JSON = {
    "model_type": "Input should be an object",
    "dict_type": "Input should be an object",
    "list_type": "Input should be a valid array",
}
OPENINGS_AND_COMMAS = b"[{,"
DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"000000000")
ZEROS = b"0" * (MOST_DIGITS + 1)

Problem = dict[str, Any]
Path = tuple[str | int, ...]


class UnreadableRequest(Exception):
    """Why a request cannot be read: `problems` with their places, which repeat nothing of it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


@dataclass(frozen=True)
class RequestReader:
    """Reads requests of one kind.

    Nothing costs more than linear time, and at most `MOST_PROBLEMS` are looked for: values are counted
    before any is built, unknown fields are taken out before pydantic would report each of them, and
    the lists of a body stop at their first wrong element.
    """

    body: type[BaseModel]

    def __call__(self, content: bytes) -> Any:
        """The body.

        Raises
        ------
        UnreadableRequest
            No JSON, too many values, or not what the body's schema says.
        """
        if len(content) > LARGE_BYTES and (message := too_much_in(content)):
            raise UnreadableRequest([_problem((), message, "too_much")])
        try:
            value = from_json(content)
        except ValueError as error:
            raise UnreadableRequest(
                [_problem((), f"Invalid JSON: {error}", "json_invalid")]
            ) from None
        problems = self._take_unknown_fields(value)
        if len(problems) < MOST_PROBLEMS:
            try:
                body = self.body.model_validate(value)
            except ValidationError as error:
                problems += _problems_of(error)
            else:
                if not problems:
                    return body
        raise UnreadableRequest(problems[:MOST_PROBLEMS])

    @cached_property
    def _nested(self) -> Mapping[type[BaseModel], Mapping[str, type[BaseModel]]]:
        """Which fields hold further bodies, or lists of them."""
        nested: dict[type[BaseModel], dict[str, type[BaseModel]]] = {}
        left = [self.body]
        while left:
            body = left.pop()
            nested[body] = {
                name: part
                for name, field in body.model_fields.items()
                if (part := _model_in(field.annotation)) is not None
            }
            left += [part for part in nested[body].values() if part not in nested]
        return nested

    def _take_unknown_fields(self, value: Any) -> list[Problem]:
        """Remove fields that no schema names, up to `MOST_PROBLEMS`, and say where they were."""
        problems: list[Problem] = []
        n_hinted = 0
        for path, fields, body in self._objects(value, self.body, ()):
            known = body.model_fields
            others = (name for name in fields if name not in known)
            for name in list(islice(others, MOST_PROBLEMS)):
                del fields[name]
                message = NO_SUCH_FIELD
                if n_hinted < MOST_HINTED and len(name) <= LONGEST_COMPARED:
                    message += f": {near_matches(name, known)}"
                    n_hinted += 1
                problems.append(_problem(path, message, "extra_forbidden"))
            if len(problems) >= MOST_PROBLEMS:
                break
        return problems

    def _objects(
        self, value: Any, body: type[BaseModel], path: Path
    ) -> Iterator[tuple[Path, dict[str, Any], type[BaseModel]]]:
        """All objects of a request that a schema describes, with their places."""
        if not isinstance(value, dict):
            return
        yield path, value, body
        for name, part in self._nested[body].items():
            inner = value.get(name)
            if isinstance(inner, list):
                for place, each in enumerate(islice(inner, LARGEST_BATCH)):
                    yield from self._objects(each, part, (*path, name, place))
            elif inner is not None:
                yield from self._objects(inner, part, (*path, name))


def too_much_in(content: bytes) -> str:
    """What makes JSON too expensive to read, from its bytes alone; empty where nothing does."""
    if ZEROS in content.translate(DIGITS_AS_ZERO):
        return f"a number has at most {MOST_DIGITS} digits"
    if not _has_few_values(content):
        return f"a request has at most {MOST_VALUES:,} values"
    return ""


def _has_few_values(content: bytes) -> bool:
    """Whether there are at most `MOST_VALUES` values, by the brackets and commas outside texts."""
    if sum(content.count(byte) for byte in OPENINGS_AND_COMMAS) < MOST_VALUES:
        return True  # nearly always
    if b"\\" in content:  # so that each quote that is left opens or closes a text
        content = content.replace(b"\\\\", b"").replace(b'\\"', b"")
    letters = np.frombuffer(content, dtype=np.uint8)
    outside = (np.cumsum(letters == QUOTE, dtype=np.uint8) & 1) == 0
    return sum(int((outside & (letters == x)).sum()) for x in OPENINGS_AND_COMMAS) < MOST_VALUES


def _problems_of(error: ValidationError) -> list[Problem]:
    """What pydantic found, without the input and the client's names."""
    problems = []
    for each in error.errors(include_input=False, include_url=False, include_context=False):
        path, kind = each["loc"], each["type"]
        message = IN_WORDS_OF_JSON.get(kind, each["msg"])
        if kind == "extra_forbidden":
            path, message = path[:-1], NO_SUCH_FIELD
        problems.append(_problem(path, message, kind))
    return problems


def _problem(path: Path, message: str, kind: str) -> Problem:
    return {"loc": ["body", *path], "msg": message, "type": kind}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The body model in an annotation such as ``RulesBody | None`` or ``list[RecommendBody]``."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation if issubclass(annotation, BaseModel) else None
    return next((m for part in get_args(annotation) if (m := _model_in(part))), None)
