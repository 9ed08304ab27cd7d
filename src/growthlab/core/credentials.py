"""Passwords and tokens in words and addresses, and where a cluster is: not printed, not logged."""

from __future__ import annotations

import re

IN_ADDRESS = re.compile(r"(://[^:/@\s]*):[^@\s]*@")
AS_WORD = re.compile(
    r"(?i)((?:^|[\s,{.])[\w.-]*(?:password|passwd|pwd|secret|token|(?:api|access|secret)_key)[:=]\s*)"
    r"""("[^"]*"|'[^']*'|[^\s,}]+)"""
)
AS_OPTION = re.compile(r"(?i)([?&](?:[\w-]*(?:password|passwd|pwd|secret|token|key))=)[^&\s]*")

OF_CLUSTER = re.compile(
    r"""(\bcluster(?:\.|=\{[^}]*?\b|:\s*\{[^}]*?\b)address["']?[=:]\s*)(?!["']?local\b)[^\s,}]+"""
)
SHORTEST = 4  # characters of a value that is hidden wherever it stands

_hidden: set[str] = set()  # of this process, wherever they come from


def hide(value: str) -> None:
    """Show ``***`` for this value from now on in all that this process prints, logs and records."""
    if len(value) >= SHORTEST:
        _hidden.add(value)


def without_hidden(text: str) -> str:
    """The text with ``***`` for each value that is to be hidden."""
    for value in sorted(_hidden, key=len, reverse=True):
        text = text.replace(value, "***")
    return text


def without_passwords(text: str) -> str:
    """The text with ``***`` for the passwords of addresses in it, and for the address of a cluster.

    >>> without_passwords("storage=postgresql://me:hush@host/db?sslpassword=hush2")
    'storage=postgresql://me:***@host/db?sslpassword=***'
    >>> without_passwords("compare cluster=ray cluster.address=10.0.0.1:6379")
    'compare cluster=ray cluster.address=***'
    """
    hidden = OF_CLUSTER.sub(r"\1***", text)
    shown = AS_OPTION.sub(r"\1***", IN_ADDRESS.sub(r"\1:***@", hidden))
    return without_hidden(AS_WORD.sub(r"\1***", shown))
