"""One check of a ruling: what was measured, and what is required."""

from __future__ import annotations

from typing import NamedTuple


class Check(NamedTuple):
    """One line of a decision: the value that was measured, and what is required.

    `setting` is what sets the requirement in the config, empty where nothing does; `key` is the
    check's name in tags.
    """

    name: str
    passed: bool
    value: str
    required: str
    setting: str = ""
    key: str = ""

    @property
    def requirement(self) -> str:
        """What is required, and which setting says so."""
        return f"{self.required}, set by {self.setting}" if self.setting else self.required
