"""Stands for PagerDuty (Events API v2) and Slack (incoming webhooks): refuses what they would, and tells what it got.

GET /received answers a JSON list, oldest first: when, from which of the two, the body, and why it was refused. Needs nothing but
Python's own library.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PAGERDUTY = "/v2/enqueue"
SLACK = re.compile(r"/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]+")
KEY = re.compile(r"[A-Za-z0-9]{32}")
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "error", "warning", "info")
COLOR = re.compile(r"good|warning|danger|#[0-9a-fA-F]{6}")


def pagerduty_objections(body: Any) -> list[str]:
    """https://developer.pagerduty.com/docs/send-alert-event"""
    if not isinstance(body, dict):
        return ["Event object is invalid"]
    found = []
    if not KEY.fullmatch(str(body.get("routing_key", ""))):
        found.append("'routing_key' is missing or invalid")
    if body.get("event_action") not in ACTIONS:
        found.append(f"'event_action' must be one of {', '.join(ACTIONS)}")
    if len(str(body.get("dedup_key") or "")) > 255:
        found.append("'dedup_key' is longer than 255 characters")
    if body.get("event_action") in ("acknowledge", "resolve"):
        return found if body.get("dedup_key") else [*found, "'dedup_key' is missing"]
    payload = body.get("payload")
    if not isinstance(payload, dict):
        return [*found, "'payload' is missing"]
    if not 0 < len(str(payload.get("summary") or "")) <= 1024:
        found.append("'payload.summary' must have 1 to 1024 characters")
    if not payload.get("source"):
        found.append("'payload.source' is missing")
    if payload.get("severity") not in SEVERITIES:
        found.append(f"'payload.severity' must be one of {', '.join(SEVERITIES)}")
    if not isinstance(payload.get("custom_details", {}), dict):
        found.append("'payload.custom_details' must be an object")
    return found


def slack_objections(body: Any) -> list[str]:
    """https://api.slack.com/reference/messaging/attachments"""
    if not isinstance(body, dict):
        return ["invalid_payload"]
    attachments = body.get("attachments", [])
    if not isinstance(attachments, list) or not all(isinstance(each, dict) for each in attachments):
        return ["invalid_attachments"]
    if not body.get("text") and not any(each.get("text") or each.get("fallback") for each in attachments):
        return ["no_text"]
    if any(each.get("color") and not COLOR.fullmatch(each["color"]) for each in attachments):
        return ["invalid_color"]
    return []


class Receiver(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("", port), Handler)
        self.received: list[dict[str, Any]] = []
        self.lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_GET(self) -> None:
        with self.server.lock:
            text = json.dumps(self.server.received)
        self._answer(HTTPStatus.OK, text)

    def do_POST(self) -> None:
        data, path = self.rfile.read(int(self.headers["content-length"])), urlsplit(self.path).path
        try:
            body = json.loads(data)
        except ValueError:
            body = None
        if path == PAGERDUTY:
            found = self._kept("pagerduty", body, pagerduty_objections(body))
            accepted = {"status": "success", "message": "Event processed"}
            refused = {"status": "invalid event", "message": "Event object is invalid", "errors": found}
            status = HTTPStatus.BAD_REQUEST if found else HTTPStatus.ACCEPTED
            self._answer(status, json.dumps(refused if found else accepted))
        elif SLACK.fullmatch(path):
            found = self._kept("slack", body, slack_objections(body))
            self._answer(HTTPStatus.BAD_REQUEST if found else HTTPStatus.OK, "; ".join(found) or "ok")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "no_service")

    def _kept(self, receiver: str, body: Any, objections: list[str]) -> list[str]:
        if "application/json" not in self.headers.get("content-type", ""):
            objections = [*objections, "content type is not application/json"]
        with self.server.lock:
            self.server.received.append(
                {"at": time.time(), "receiver": receiver, "body": body, "refused": objections},
            )
        return objections

    def _answer(self, status: HTTPStatus, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """What it logs would be collected, too."""


if __name__ == "__main__":
    Receiver(int(sys.argv[1])).serve_forever()
