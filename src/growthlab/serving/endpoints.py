"""The paths that answer for customers: the task of each, its request and its answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import create_model

from growthlab.bundle.answer_kinds import TaskAnswer
from growthlab.bundle.answers import PredictServed
from growthlab.core.errors import BundleError
from growthlab.serving.schemas import (
    Answer,
    AnswerBody,
    BatchBody,
    BatchOfAnswers,
    PredictBody,
    RecommendAnswer,
    RecommendBody,
    SimilarBody,
    batch_list,
    examples,
)

RESERVED = frozenset(
    {"batch", "docs", "feedback", "health", "metrics", "ready", "redoc", "version"}
)  # paths of the service itself


@dataclass(frozen=True)
class Endpoint:
    """A path that answers for customers; the request log names it as the ``kind`` of its lines."""

    name: str
    task: str
    body: type[AnswerBody]
    answer: type[Answer]
    summary: str
    in_batches: bool = True

    @property
    def path(self) -> str:
        """The path, such as ``/recommend``."""
        return f"/{self.name}"


def endpoints_of(task: str, answer: TaskAnswer) -> list[Endpoint]:
    """The paths at which a task with that answer is served.

    Raises
    ------
    BundleError
        A path belongs to the service itself, or the number has the name of another field.
    """
    if answer.kind.is_list:
        endpoints = [
            Endpoint(answer.endpoint, task, RecommendBody, RecommendAnswer, answer.summary),
            Endpoint(
                answer.item_endpoint,
                task,
                SimilarBody,
                RecommendAnswer,
                "Items like one item.",
                in_batches=False,
            ),
        ]
    else:
        schema = number_answer(answer)
        endpoints = [Endpoint(answer.endpoint, task, PredictBody, schema, answer.summary)]
    for endpoint in endpoints:
        if endpoint.name in RESERVED:
            raise BundleError(
                f"{task} cannot be served at {endpoint.path}: that path belongs to the service"
            )
    return endpoints


@lru_cache
def number_answer(answer: TaskAnswer) -> type[Answer]:
    """The schema of an answer with one number, such as ``ChurnAnswer`` with `churn_probability`."""
    others: dict[str, Any] = {"horizon_days": (float | None, ...), "served": (PredictServed, ...)}
    if answer.kind.names_arm:
        others = {"arm": (str, ...), "effects": (dict[str, float], ...), **others}
    if answer.field in {*Answer.model_fields, *others}:
        raise BundleError(
            f"{answer.field} cannot name the number of an answer: another field has that name"
        )
    fields: dict[str, Any] = {answer.field: (float, ...), **others}
    name = answer.endpoint.title().replace("_", "")
    about = f"{answer.summary.removesuffix('.')} after the data's cut."
    return create_model(f"{name}Answer", __base__=Answer, __doc__=about, **fields)


def batch_types(endpoints: Iterable[Endpoint]) -> tuple[type[BatchBody], type[BatchOfAnswers]]:
    """The schemas of a batch and of its answers: a list for each endpoint."""
    listed = [endpoint for endpoint in endpoints if endpoint.in_batches]
    bodies: Mapping[str, Any] = {e.name: batch_list(e.body) for e in listed}
    answers: Mapping[str, Any] = {e.name: (list[e.answer], ...) for e in listed}  # type: ignore[name-defined]
    example = {listed[0].name: list(listed[0].body.examples()[:2])} if listed else {}
    body = create_model("BatchBody", __base__=BatchBody, __doc__=BatchBody.__doc__, **bodies)
    body.model_config = examples(example)
    body.model_rebuild(force=True)
    answer = create_model(
        "BatchAnswer", __base__=BatchOfAnswers, __doc__=BatchOfAnswers.__doc__, **answers
    )
    return body, answer
