"""Requests and answers of the service, as its OpenAPI document shows them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from growthlab.export.answers import PredictServed, RecommendServed

LONGEST_HISTORY = 10_000
LARGEST_K = 1_000
MOST_FEATURES = 1_000

RawId = Annotated[str, Field(max_length=256)]
Feature = (
    Annotated[float, Field(allow_inf_nan=False)] | Annotated[str, Field(max_length=256)] | None
)


class Request(BaseModel):
    """A request; a field that it does not know is refused."""

    model_config = ConfigDict(extra="forbid")

    user_id: RawId | None = Field(None, description="a customer whom the bundle may know")


class RecommendBody(Request):
    """Who wants a list: a known user, or a history, or nobody."""

    history: list[RawId] | None = Field(
        None,
        max_length=LONGEST_HISTORY,
        description="raw item ids, oldest first; taken instead of the stored history",
    )
    k: int = Field(10, ge=1, le=LARGEST_K, strict=True, description="how many items at most")
    exclude: list[RawId] = Field(
        default_factory=list, max_length=LONGEST_HISTORY, description="items that are not listed"
    )
    filter_seen: Literal["none", "purchased", "interacted"] | None = Field(
        None, description="which items of the history are not listed; default: as evaluated"
    )


class PredictBody(Request):
    """Whose future is asked for: a known user, or features, or nobody."""

    features: dict[RawId, Feature] | None = Field(
        None,
        max_length=MOST_FEATURES,
        description="features by name, taken instead of the stored ones; others are unknown",
    )


class ModelInfo(BaseModel):
    """Which model answered; `data_cut` is the cutoff up to which it knows the world (UTC)."""

    name: str
    task: str
    data: str
    version: str
    run_id: str | None
    data_cut: str | None


class Answer(BaseModel):
    """What every answer tells beside its content; `fallback`: the model itself did not answer."""

    model: ModelInfo
    fallback: bool
    request_id: str
    latency_ms: float


class Item(BaseModel):
    """A place in a list; scores are comparable within one list only."""

    item: str
    score: float | None
    rank: int


class RecommendAnswer(Answer):
    """A list, best first; `n_unknown_items` of the history are not in the catalogue."""

    items: list[Item]
    served: RecommendServed
    n_unknown_items: int


class ChurnAnswer(Answer):
    """The probability that the customer buys nothing within the horizon after the data's cut."""

    churn_probability: float
    horizon_days: float | None
    served: PredictServed


class ValueAnswer(Answer):
    """The revenue expected of the customer within the horizon after the data's cut."""

    expected_value: float
    horizon_days: float | None
    served: PredictServed


class TaskHealth(BaseModel):
    """One loaded bundle; `no_lookup` says why known users cannot be looked up, if so."""

    model: ModelInfo
    n_known_users: int
    no_lookup: str


class Health(BaseModel):
    """The service is up and holds these bundles, by task."""

    status: Literal["ok"]
    bundles: dict[str, TaskHealth]
