"""Tokens, logs, what clients send, and what the health report says."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hustlex_api import health, tokens
from hustlex_api.faults import Faults
from hustlex_api.inputs import Body
from hustlex_api.logs import JsonFormatter
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from starlette.exceptions import HTTPException
from starlette.requests import Request

SECRET = "a-secret-that-is-long-enough-for-sha256"


def test_tokens() -> None:
    token = tokens.issue(7, SECRET, 60)
    assert tokens.user_of(token, SECRET) == 7
    assert tokens.user_of(token, SECRET + "x") is None
    assert tokens.user_of(tokens.issue(7, SECRET, -1), SECRET) is None
    assert tokens.user_of("x.y.z", SECRET) is None


def test_log_lines_are_json() -> None:
    record = logging.makeLogRecord({"name": "a", "levelname": "INFO", "msg": "job %s", "args": ("7",), "job": 7})
    entry = json.loads(JsonFormatter().format(record))
    assert entry["message"] == "job 7"
    assert entry["level"] == "info"
    assert entry["job"] == 7
    assert set(entry) == {"time", "level", "logger", "message", "job"}


def sent(raw: bytes) -> Body:
    chunks: Iterator[bytes] = iter([raw[:10], raw[10:]])

    async def receive() -> dict[str, Any]:
        chunk = next(chunks, b"")
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    return asyncio.run(Body.of(Request({"type": "http", "method": "POST", "headers": []}, receive)))


@pytest.mark.parametrize(
    ("raw", "status"), [(b"", 400), (b"{", 400), (b"[]", 400), (b"\xff", 400), (b"1" * 20000, 413)]
)
def test_bodies_that_are_refused(raw: bytes, status: int) -> None:
    with pytest.raises(HTTPException) as error:
        sent(raw)
    assert error.value.status_code == status


@pytest.mark.parametrize("amount", ["1", "0.01", "1000000000", '"12.50"'])
def test_amounts(amount: str) -> None:
    assert sent(b'{"amount_ngn": %s}' % amount.encode()).amount() == Decimal(amount.strip('"'))


@pytest.mark.parametrize(
    "amount", ["0", "-1", "0.001", "1000000001", "1e400", "NaN", "Infinity", "true", "null", '"x"', "[1]", "{}"]
)
def test_amounts_that_are_refused(amount: str) -> None:
    with pytest.raises(HTTPException):
        sent(b'{"amount_ngn": %s}' % amount.encode()).amount()


@pytest.mark.parametrize("text", ['""', "7", "null", json.dumps("x" * 201), json.dumps("a\0b")])
def test_texts_that_are_refused(text: str) -> None:
    with pytest.raises(HTTPException):
        sent(b'{"name": %s}' % text.encode()).text("name")


def test_a_state_that_is_not_probed_any_more_is_down() -> None:
    state = health.State(error=None, probed=time.monotonic())
    assert state.shown() == {"status": "up"}
    state.probed -= 60
    assert state.shown() == {"status": "down", "error": "no answer for 60 s"}
    assert health.State().shown() == {"status": "down", "error": "not probed yet"}


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (psycopg.OperationalError('FATAL: password authentication failed for user "hustlex"'), "login refused"),
        (psycopg.OperationalError("connection to 10.0.0.1 failed"), "unreachable"),
        (RedisConnectionError("Error 111 connecting to redis:6379"), "unreachable"),
        (AuthenticationError("WRONGPASS"), "login refused"),
        (TimeoutError(), "no answer within 3 s"),
        (psycopg.errors.InsufficientPrivilege("permission denied"), "InsufficientPrivilege"),
    ],
)
def test_health_names_a_cause_without_addresses(error: Exception, shown: str) -> None:
    assert health._public(error) == shown


def test_faults_begin_when_they_are_told_to() -> None:
    faults = Faults(error_ratio=1, errors_after_seconds=10)
    assert not asyncio.run(faults.in_request(9))
    assert asyncio.run(faults.in_request(10))
    assert not asyncio.run(Faults().in_request(1000))
