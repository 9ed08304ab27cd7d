"""Requests and answers of the service, as its OpenAPI document shows them."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from growthlab.bundle.answers import (
    PredictRequest,
    RecommendRequest,
    RecommendServed,
)
from growthlab.ranking.rules import Rules

LONGEST_HISTORY = 10_000
LARGEST_K = 1_000
MOST_FEATURES = 1_000
LARGEST_BATCH = 256
MOST_ITEMS = 20_000  # of all lists of a batch together

LONGEST_ID = 256


def plain_features(features: Any) -> Any:
    """The features as they came, once each is one; the first that is none ends the check."""
    if not isinstance(features, dict) or len(features) > MOST_FEATURES:
        return features  # the schema says what is wrong
    for name, value in features.items():
        fits = value is None or isinstance(value, (bool, int, float, str))
        if isinstance(value, str):
            fits = len(value) <= LONGEST_ID
        elif isinstance(value, (int, float)):
            fits = abs(value) <= sys.float_info.max  # False for NaN
        if not fits or len(name) > LONGEST_ID:
            raise PydanticCustomError("feature", WHAT_A_FEATURE_IS)
    return features


WHAT_A_FEATURE_IS = (
    f"Input should be a valid feature: a name of at most {LONGEST_ID} characters, and a finite "
    f"number, a text of at most {LONGEST_ID} characters or null"
)
RawId = Annotated[str, Field(max_length=LONGEST_ID)]
Feature = (
    Annotated[float, Field(allow_inf_nan=False)]
    | Annotated[str, Field(max_length=LONGEST_ID)]
    | None
)
ItemIds = Annotated[list[RawId], Field(max_length=LONGEST_HISTORY, fail_fast=True)]
Price = Annotated[float, Field(allow_inf_nan=False)]
K = Annotated[int, Field(ge=1, le=LARGEST_K, strict=True, description="how many items at most")]
Personalised = Annotated[
    bool,
    Field(
        strict=True,
        description="false: the same answer for every customer; nothing known about this one is read",
    ),
]


def examples(*requests: dict[str, Any]) -> ConfigDict:
    """The configuration of a request with these examples; unknown fields are refused."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": list(requests)})


class Body(BaseModel):
    """A request."""

    @property
    def list_length(self) -> int:
        """How many items are asked for; 0 where the answer is no list."""
        return 0


class RulesBody(BaseModel):
    """What may be listed, how many items of a category, and which items come first."""

    model_config = examples({"in_stock": True, "max_per_category": 2, "pinned": ["22423"]})

    allow: ItemIds | None = Field(None, description="only these items")
    deny: ItemIds = Field(default_factory=list, description="none of these items")
    categories: list[RawId] = Field(
        default_factory=list,
        max_length=100,
        fail_fast=True,
        description="only items of these, paths or levels",
    )
    in_stock: bool = Field(False, strict=True, description="only what can be sold")
    price_min: Price | None = None
    price_max: Price | None = None
    max_per_category: int | None = Field(None, ge=1, le=LARGEST_K, strict=True)
    pinned: list[RawId] = Field(
        default_factory=list,
        max_length=LARGEST_K,
        fail_fast=True,
        description="these first, in this order",
    )

    def rules(self) -> Rules:
        """The rules in the form that ranking takes."""
        return Rules(**{name: getattr(self, name) for name in type(self).model_fields})


class AnswerBody(Body):
    """A request that is answered for a customer, an item or nobody."""

    def is_personal(self, allowed: bool) -> bool:
        """Whether what is known about the customer may be read; `allowed` is the service's setting."""
        return True

    def request(self, personalised: bool) -> RecommendRequest | PredictRequest:
        """The request in the form that a bundle takes; without `personalised`, for nobody in particular."""
        raise NotImplementedError

    @classmethod
    def examples(cls) -> list[dict[str, Any]]:
        """The examples in the OpenAPI document."""
        extra = cls.model_config.get("json_schema_extra")
        return list(extra["examples"]) if isinstance(extra, dict) else []  # type: ignore[arg-type]


class ListBody(AnswerBody):
    """What every request for a list may have."""

    k: K = 10
    exclude: ItemIds = Field(default_factory=list, description="items that are not listed")
    rules: RulesBody | None = None

    @property
    def list_length(self) -> int:
        """How many items are asked for."""
        return self.k

    def rules_or_none(self) -> Rules:
        """The rules; empty where the request has none."""
        return NO_RULES if self.rules is None else self.rules.rules()


NO_RULES = Rules()


class RecommendBody(ListBody):
    """Whom a list is for: a known user, a history, a basket to complete, or nobody."""

    model_config = examples(
        {"user_id": "12345", "k": 5},
        {"history": ["85123A", "22423"], "k": 5, "rules": {"max_per_category": 2}},
        {"basket": ["85123A"], "k": 3},
        {"user_id": "12345", "personalised": False},
    )

    user_id: RawId | None = Field(None, description="a customer whom the bundle may know")
    history: ItemIds | None = Field(
        None, description="raw item ids, oldest first; they replace the stored history"
    )
    basket: ItemIds | None = Field(
        None, description="the items in the basket: the list completes it, whoever the user is"
    )
    filter_seen: Literal["none", "purchased", "interacted"] | None = Field(
        None,
        description="which items of the history are not listed, for a customer or a history; "
        "default: the setting of the service, else as evaluated",
    )
    personalised: Personalised = True

    def is_personal(self, allowed: bool) -> bool:
        """Whether both the request and the service allow it."""
        return allowed and self.personalised

    def request(self, personalised: bool) -> RecommendRequest:
        """The request in the form that a bundle takes; without `personalised`, for nobody in particular."""
        return RecommendRequest(
            user_id=self.user_id,
            history=self.history,
            basket=self.basket,
            exclude=self.exclude,
            filter_seen=self.filter_seen,
            rules=self.rules_or_none(),
            personalised=personalised and self.personalised,
        )


class SimilarBody(ListBody):
    """Which item a list of similar items is for."""

    model_config = examples({"item": "85123A", "k": 5})

    item: RawId = Field(description="a raw item id; an unknown one gets the popular items")

    def request(self, personalised: bool) -> RecommendRequest:
        """The request in the form that a bundle takes; no profile is read."""
        return RecommendRequest(item=self.item, exclude=self.exclude, rules=self.rules_or_none())


class PredictBody(AnswerBody):
    """Whose future is requested: a known user, features, or nobody."""

    model_config = examples({"user_id": "12345"}, {"user_id": "12345", "personalised": False})

    user_id: RawId | None = Field(None, description="a customer whom the bundle may know")
    features: Annotated[dict[RawId, Feature] | None, BeforeValidator(plain_features)] = Field(
        None,
        max_length=MOST_FEATURES,
        description="features by name; they replace the stored ones, the others count as unknown",
    )
    personalised: Personalised = True

    def is_personal(self, allowed: bool) -> bool:
        """Whether both the request and the service allow it."""
        return allowed and self.personalised

    def request(self, personalised: bool) -> PredictRequest:
        """The request in the form that a bundle takes; without `personalised`, for nobody in particular."""
        if not (personalised and self.personalised):
            return PredictRequest()
        return PredictRequest(self.user_id, self.features)


class BatchBody(Body):
    """Many requests at once; the answers have the same order."""

    @property
    def list_length(self) -> int:
        """How many items are asked for by all requests together."""
        return sum(body.list_length for body in self._bodies())

    def _bodies(self) -> list[AnswerBody]:
        return [body for name in type(self).model_fields for body in getattr(self, name)]

    @model_validator(mode="after")
    def _within_limits(self) -> Self:
        if (n := len(self._bodies())) > LARGEST_BATCH:
            raise ValueError(f"a batch has at most {LARGEST_BATCH} requests, got {n}")
        if (items := self.list_length) > MOST_ITEMS:
            raise ValueError(f"the k of a batch add up to at most {MOST_ITEMS}, got {items}")
        return self


def batch_list(body: type[AnswerBody]) -> tuple[Any, Any]:
    """Type and default of a batch's list of such requests."""
    limits: Any = Field(default_factory=list, max_length=LARGEST_BATCH, fail_fast=True)
    return list[body], limits  # type: ignore[valid-type]


class FeedbackBody(Body):
    """What happened to an answer."""

    model_config = examples({"request_id": "0" * 32, "event": "click", "items": ["85123A"]})

    request_id: str = Field(pattern=r"^[0-9a-f]{32}$", description="the request_id of the answer")
    event: Literal["impression", "click", "order"]
    items: list[RawId] = Field(default_factory=list, max_length=LARGEST_K, fail_fast=True)


class FeedbackAnswer(BaseModel):
    """The feedback is queued for the request log."""

    accepted: Literal[True]


class ModelInfo(BaseModel):
    """Which model answered; `data_cut` is the time up to which it has seen events (UTC)."""

    name: str
    task: str
    data: str
    version: str
    run_id: str | None
    data_cut: str | None


class Answer(BaseModel):
    """What every answer has besides its content; `fallback`: the model itself did not answer."""

    model: ModelInfo
    variant: Literal["champion", "challenger"]
    fallback: bool
    request_id: str
    latency_ms: float


class Item(BaseModel):
    """An item of a list.

    Scores are comparable within one list only; a pinned item that the model cannot score has none.
    """

    item: str
    score: float | None
    rank: int
    reason: str | None


class RecommendAnswer(Answer):
    """A list, best first; `n_unknown_items` of the request are not in the catalogue.

    `level` is the fallback level of `served`: 0 is the model with all that it knows about the
    customer, 4 the popular items.
    """

    items: list[Item]
    served: RecommendServed
    level: int
    n_unknown_items: int


class BatchOfAnswers(BaseModel):
    """The answers of a batch, in the order of its requests."""


class TaskHealth(BaseModel):
    """One loaded bundle; `no_lookup` says why known users cannot be looked up, if so."""

    model: ModelInfo
    n_known_users: int
    no_lookup: str


class Health(BaseModel):
    """The service is alive and has loaded these bundles, by task.

    `refused` are folders whose bundle is broken or gone, with the reason; the model that was loaded
    before keeps answering.
    """

    status: Literal["ok"]
    bundles: dict[str, TaskHealth]
    refused: dict[str, str]


class Ready(BaseModel):
    """The service answers requests."""

    ready: Literal[True]


class VersionInfo(BaseModel):
    """The version of growthlab, and the models in use by variant and task."""

    growthlab: str
    models: dict[str, dict[str, ModelInfo]]


class Problem(BaseModel):
    """What is wrong with a field; its value, which may be personal, is not repeated."""

    loc: list[str | int]
    msg: str
    type: str


class Refused(BaseModel):
    """Why a request is not answered."""

    detail: str | list[Problem]
