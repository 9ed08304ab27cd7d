"""Errors of a tracking server and its storage: away for now, or a mistake in how it was asked."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar, runtime_checkable

from growthlab.core.errors import one_line

Result = TypeVar("Result")

AWAY_STATUSES = (408, 425, 429, 500, 502, 503, 504)
# classes of requests, urllib3, boto3 and MLflow by their names, as none of these is imported for this
AWAY_CLASSES = {
    *("ConnectionError", "ConnectTimeout", "ReadTimeout", "Timeout", "ChunkedEncodingError"),
    *("NewConnectionError", "NameResolutionError", "MaxRetryError", "ProtocolError"),
    *(
        "EndpointConnectionError",
        "ConnectionClosedError",
        "ConnectTimeoutError",
        "ReadTimeoutError",
    ),
    "IncompleteRead",
}
AWAY_TEXTS = re.compile(
    r"failed with error code (?:408|425|429|5\d\d) |too many 5\d\d error responses|"
    r"\b(?:SlowDown|ServiceUnavailable|InternalError|RequestTimeout)\b|Could not connect to the endpoint|"
    r"Connection (?:refused|reset|aborted|was closed)|Max retries exceeded|timed out"
)
STATUS = re.compile(r"(?:error code|status code|^) ?(\d{3})\b")
LONGEST = 160  # characters of a reason
REFUSALS = {  # a text in the error, what it means, what helps
    r"NoCredentialsError|Unable to locate credentials": (
        "there are no keys for the storage",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and MLFLOW_S3_ENDPOINT_URL for your own storage",
    ),
    r"InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken": (
        "the storage knows no such keys",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to those of the storage",
    ),
    r"NoSuchBucket|specified bucket does not exist": (
        "the bucket does not exist",
        "make it, or name another one with tracking.artifacts=s3://BUCKET/PATH",
    ),
    r"AccessDenied|Access Denied|\bForbidden\b.*bucket": (
        "the storage does not allow it",
        "ask for the right to read and write there, or name another place with tracking.artifacts=",
    ),
    r"No module named '(?:boto3|botocore)'": (
        "boto3 is not installed",
        "pip install 'growthlab[s3]'",
    ),
    r"Invalid Host header": (
        "the server does not answer to this name",
        "start it with MLFLOW_SERVER_ALLOWED_HOSTS=HOST:PORT, or use its number in tracking.uri",
    ),
    r"error code 401|UNAUTHENTICATED|not authenticated": (
        "the server knows no such user and password",
        "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    ),
    r"error code 403|PERMISSION_DENIED|Permission denied": (
        "the server does not allow this user to do that",
        "ask its administrator for the right, or set another MLFLOW_TRACKING_USERNAME",
    ),
    r"password authentication failed": (
        "the database knows no such user and password",
        "correct them in tracking.uri",
    ),
}
_waits: ContextVar[bool] = ContextVar("waits", default=True)


@runtime_checkable
class WaitsForServer(Protocol):
    """A client that waits for a server which is away."""

    def waiting_call(self, step: Callable[[], Result]) -> Result:
        """The result of `step`, which only reads, waited for where the server is away."""
        ...


def waiting(client: object, step: Callable[[], Result]) -> Result:
    """The result of `step`, which only reads; a client that knows how waits for it."""
    return client.waiting_call(step) if isinstance(client, WaitsForServer) else step()


@contextmanager
def without_waiting() -> Iterator[None]:
    """In the block, what reads from a server that is away raises at once."""
    token = _waits.set(False)
    try:
        yield
    finally:
        _waits.reset(token)


def may_wait() -> bool:
    """Whether a call may wait for a server that is away."""
    return _waits.get()


def is_away(error: BaseException) -> bool:
    """Whether a server or a storage did not answer, or answered that it cannot now."""
    if refusal(error) is not None:
        return False
    return any(_is_away(cause) for cause in causes(error))


def _is_away(error: BaseException) -> bool:
    if isinstance(error, (ConnectionError, TimeoutError, socket.gaierror)):
        return True
    if isinstance(error, OSError) and error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return True
    if type(error).__name__ in AWAY_CLASSES:
        return True
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in AWAY_STATUSES or getattr(error, "error_code", "") == "TEMPORARILY_UNAVAILABLE":
        return True
    return AWAY_TEXTS.search(str(error)) is not None


def refusal(error: BaseException) -> tuple[str, str] | None:
    """What was refused and what helps; None where the error has another cause."""
    texts = [f"{type(cause).__name__}: {cause}" for cause in causes(error)]
    for pattern, words in REFUSALS.items():
        if any(re.search(pattern, text) for text in texts):
            return words
    return None


def reason(error: BaseException) -> str:
    """Why there is no answer, in a few words."""
    inner = list(causes(error))
    for cause in reversed(inner):
        if isinstance(cause, socket.gaierror):
            return "there is no host of this name"
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno)
    found = AWAY_TEXTS.search(" ".join(map(str, inner)))
    text = found.group() if found else one_line(error)
    return text.strip()[:LONGEST]


def causes(error: BaseException) -> list[BaseException]:
    """The error, and what it came from."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__ or following.__context__
    return chain
