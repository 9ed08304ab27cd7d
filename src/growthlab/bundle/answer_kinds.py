"""What a task answers: the kind of its answer, and the words for it that are the task's own.

A task of the laboratory names it and the manifest of a bundle carries it. Serving, monitoring, batch
files and the model card go by it, so that none of them knows a task by its name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from growthlab.core.errors import ConfigError, near_matches

NAME = re.compile(r"[a-z][a-z0-9_]*")
CHANCE, MONEY = "chance", "amount"  # what an effect changes
SHOWN, NOT_SHOWN = "shown", "not shown"  # that its order of customers is more than chance


class AnswerKind(StrEnum):
    """What an answer is: a list of items, or one number a customer, maybe with the action it is of."""

    LIST = "list"
    PROBABILITY = "probability"
    AMOUNT = "amount"
    EFFECT = "effect"  # what an action changes in an amount or a probability; it may be below 0
    ARM = "arm"  # the best of several actions, what it brings, and what each of them changes

    @property
    def is_list(self) -> bool:
        """Whether the answer is a list of items; else it is a number."""
        return self is AnswerKind.LIST

    @property
    def names_arm(self) -> bool:
        """Whether the answer names an action beside its number."""
        return self is AnswerKind.ARM

    @property
    def noun(self) -> str:
        """How messages call it."""
        nouns = {
            AnswerKind.LIST: "lists of items",
            AnswerKind.PROBABILITY: "a probability",
            AnswerKind.AMOUNT: "an amount",
            AnswerKind.EFFECT: "an effect",
            AnswerKind.ARM: "an action",
        }
        return nouns[self]


@dataclass(frozen=True, kw_only=True)
class TaskAnswer:
    """The kind of a task's answer, and what it is called where it is served and documented.

    Parameters
    ----------
    endpoint : the path it is served at is ``/<endpoint>``; the request log names it as ``kind``
    item_endpoint : of lists: the path that answers what is like one item
    field : of numbers: the name of the number in answers, files and tables
    summary : what a request is answered with, in one sentence, for the documentation of the service
    intended_use, caveat : what the answer is for, and what it is not, for the model card
    arm : of effects: the arm of the experiment whose effect it is
    outcome : of effects and arms: whether a ``chance`` (of yes rather than no) or an ``amount`` is changed
    skill : of effects and arms: whether it is ``shown`` or ``not shown`` that telling customers apart by
        them brings more than chance would; empty: it was not tested

    Raises
    ------
    ConfigError
        An unknown kind, a name that is no lower-case identifier, or one that the kind does not have.
    """

    kind: AnswerKind
    endpoint: str
    item_endpoint: str = ""
    field: str = ""
    summary: str
    intended_use: str
    caveat: str
    arm: str = ""
    outcome: str = ""
    skill: str = ""

    def __post_init__(self) -> None:
        if self.kind not in list(AnswerKind):
            possible = near_matches(str(self.kind), AnswerKind)
            raise ConfigError(f"{self.kind!r} is no kind of answer: {possible}")
        object.__setattr__(self, "kind", AnswerKind(self.kind))
        for name, needed in (
            ("endpoint", True),
            ("item_endpoint", self.kind.is_list),
            ("field", not self.kind.is_list),
        ):
            given = getattr(self, name)
            if needed and not (isinstance(given, str) and NAME.fullmatch(given)):
                raise ConfigError(f"answer.{name} must be a name such as risk_score, got {given!r}")
            if not needed and given:
                raise ConfigError(
                    f"answer.{name} must be empty for {self.kind.noun}, got {given!r}"
                )
        self._check_effect()

    def _check_effect(self) -> None:
        """ConfigError where an answer of another kind has what only effects have."""
        several = (AnswerKind.EFFECT, AnswerKind.ARM)
        of_effects = (
            ("arm", None, (AnswerKind.EFFECT,)),
            ("outcome", ("", CHANCE, MONEY), several),
            ("skill", ("", SHOWN, NOT_SHOWN), several),
        )
        for name, possible, kinds in of_effects:
            given = getattr(self, name)
            if given and self.kind not in kinds:
                raise ConfigError(
                    f"answer.{name} must be empty for {self.kind.noun}, got {given!r}"
                )
            if possible is not None and given not in possible:
                raise ConfigError(f"answer.{name}: {near_matches(str(given), possible[1:])}")
