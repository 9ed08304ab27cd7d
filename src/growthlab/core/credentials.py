"""Passwords and tokens in words and addresses, and where a cluster is: not printed, not logged."""

from __future__ import annotations

import re

IN_ADDRESS = re.compile(r"(://[^:/@\s]*):[^@\s]*@")
AS_WORD = re.compile(
    r"(?i)((?:^|[\s,{.])[\w.-]*(?:password|passwd|pwd|secret|token|(?:api|access|secret)_key)[:=]\s*)"
    r"""("[^"]*"|'[^']*'|[^\s,}]+)"""
)
AS_OPTION = re.compile(r"(?i)([?&](?:[\w-]*(?:password|passwd|pwd|secret|token|key))=)[^&\s]*")

OF_CLUSTER = re.compile(r"(\bcluster\.address=)(?!local\b)\S*")


def without_passwords(text: str) -> str:
    """The text with ``***`` for the passwords of addresses in it, and for the address of a cluster.

    >>> without_passwords("storage=postgresql://me:hush@host/db?sslpassword=hush2")
    'storage=postgresql://me:***@host/db?sslpassword=***'
    >>> without_passwords("compare cluster=ray cluster.address=10.0.0.1:6379")
    'compare cluster=ray cluster.address=***'
    """
    hidden = OF_CLUSTER.sub(r"\1***", text)
    shown = AS_OPTION.sub(r"\1***", IN_ADDRESS.sub(r"\1:***@", hidden))
    return AS_WORD.sub(r"\1***", shown)
