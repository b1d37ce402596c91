"""The stand-in for PagerDuty and Slack takes what they take, and refuses what they refuse."""

from __future__ import annotations

import json
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from alert_receiver import Receiver, pagerduty_objections, slack_objections

EVENT: dict[str, Any] = {
    "routing_key": "0123456789abcdef0123456789abcdef",
    "event_action": "trigger",
    "dedup_key": "1",
    "payload": {"summary": "Redis is down", "source": "HustleX", "severity": "critical"},
}
END = {"routing_key": EVENT["routing_key"], "event_action": "resolve", "dedup_key": "1"}
MESSAGE = {"attachments": [{"fallback": "RedisDown", "text": "Redis is down", "color": "danger"}]}
WEBHOOK = "/services/T00000000/B00000000/abc"


@pytest.mark.parametrize("event", [EVENT, END])
def test_an_event_is_taken(event: dict[str, Any]) -> None:
    assert pagerduty_objections(event) == []


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"routing_key": "short"}, "routing_key"),
        ({"event_action": "call"}, "event_action"),
        ({"payload": None}, "payload"),
        ({"payload": {**EVENT["payload"], "severity": "none"}}, "severity"),
        ({"payload": {**EVENT["payload"], "summary": "x" * 1025}}, "summary"),
        ({"event_action": "resolve", "dedup_key": ""}, "dedup_key"),
    ],
)
def test_an_event_that_pagerduty_would_refuse_is_refused(change: dict[str, Any], objection: str) -> None:
    (found,) = pagerduty_objections({**EVENT, **change})
    assert objection in found


def test_slack_wants_a_text_and_a_color_that_there_is() -> None:
    assert slack_objections(MESSAGE) == []
    assert slack_objections([]) == ["invalid_payload"]
    assert slack_objections({"attachments": [{"color": "good"}]}) == ["no_text"]
    assert slack_objections({"attachments": [{"text": "x", "color": "reddish"}]}) == ["invalid_color"]


@pytest.fixture
def address() -> Iterator[str]:
    server = Receiver(0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def send(url: str, body: object, content_type: str = "application/json") -> tuple[int, str]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": content_type}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_it_answers_as_they_do_and_tells_what_it_got(address: str) -> None:
    assert send(f"{address}/v2/enqueue", EVENT)[0] == 202
    assert send(f"{address}/v2/enqueue", {})[0] == 400
    assert send(f"{address}{WEBHOOK}", MESSAGE) == (200, "ok")
    assert send(f"{address}{WEBHOOK}", MESSAGE, "text/plain")[0] == 400
    assert send(f"{address}/elsewhere", MESSAGE)[0] == 404
    with urllib.request.urlopen(f"{address}/received", timeout=10) as answer:
        found = json.load(answer)
    assert [each["receiver"] for each in found] == ["pagerduty", "pagerduty", "slack", "slack"]
    assert [not each["refused"] for each in found] == [True, False, True, False]
    assert found[0]["body"] == EVENT
