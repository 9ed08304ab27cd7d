"""Passwords in words of the command line are not repeated."""

from __future__ import annotations

import logging

import pytest

from growthlab.core import credentials
from growthlab.core.credentials import without_passwords
from growthlab.core.process import VisibleFormatter


@pytest.mark.parametrize(
    "word",
    [
        "tracking.uri=http://me:hush@host:5000",
        "storage=postgresql+psycopg://me:hu:sh@127.0.0.1:5432/db",
        "data.path=postgresql://localhost/shop?user=me&password=hush#orders",
        "a=https://host/x?api_key=hush&k=3 b=s3://id:hush@bucket",
        "serve token=hush",
        "+sink.auth_token='hush hush' n=1",
        "sink={url: x, password: hush}",
        "compare cluster.address=hush:6379",
        "compare +cluster.address='hush:6379' seeds=2",
        "compare cluster={_target_: x, address: hush:6379}",
    ],
)
def test_no_password_of_an_address_stays(word: str) -> None:
    shown = without_passwords(word)
    assert "hush" not in shown
    assert "hu:sh" not in shown
    assert "***" in shown


def test_everything_else_stays() -> None:
    words = (
        "compare models=[a,b] data.path=C:/x.csv tracking.uri=http://host:5000 key=a@b +x.y={a: 1} "
        "data.cache_key=content model=tokens data.columns.user_id=access_id"
    )
    assert without_passwords(words) == words


def test_what_is_hidden_is_hidden_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "_hidden", set())
    for value in ("head.example:6379", "head.example:63", "", "abc"):
        credentials.hide(value)
    said = "cannot join head.example:6379 (abc)"
    assert without_passwords(said) == "cannot join *** (abc)"
    record = logging.LogRecord("growthlab", logging.INFO, "", 0, said, None, None)
    assert VisibleFormatter("%(message)s").format(record) == "cannot join *** (abc)"
