"""Passwords in words and addresses: kept out of what is printed and logged."""

from __future__ import annotations

import re

IN_ADDRESS = re.compile(r"(://[^:/@\s]*):[^@\s]*@")
AS_OPTION = re.compile(r"(?i)([?&](?:[\w-]*(?:password|passwd|pwd|secret|token|key))=)[^&\s]*")


def without_passwords(text: str) -> str:
    """The text with ``***`` for the passwords of addresses in it.

    >>> without_passwords("storage=postgresql://me:hush@host/db?sslpassword=hush2")
    'storage=postgresql://me:***@host/db?sslpassword=***'
    """
    return AS_OPTION.sub(r"\1***", IN_ADDRESS.sub(r"\1:***@", text))
