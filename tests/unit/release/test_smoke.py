"""When a release counts as healthy, and what is said until then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import UnreachableError
from ansible_collections.hustlex.platform.plugins.module_utils.release.service import database_health, service_health
from ansible_collections.hustlex.platform.plugins.module_utils.release.smoke import (
    Answer,
    Place,
    Verdict,
    check,
    outside,
    problem_of,
)

OK, OLD, NOTHING = (200, {"version": "v2"}), (200, {"version": "v1"}), (0, {})
DOWN = (503, {"version": "v2", "database": {"status": "down", "error": "unreachable"}, "redis": {"status": "up"}})
GATEWAY, MOVED, PAGE = (502, {}), (302, {}), (200, {})


def checked(answers: list[Answer], said: list[str]) -> Verdict:
    left, now = list(answers), [0.0]
    place = Place("Service x", lambda: left.pop(0) if len(left) > 1 else left[0])

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return check(place, "v2", 10, say=said.append, clock=lambda: now[0], sleep=sleep)


@pytest.mark.parametrize(
    ("answers", "passed", "words"),
    [
        ([OK, OK, OK], True, "healthy with version v2"),
        ([NOTHING, OK, OLD, OK, OK, OK], True, "healthy"),
        ([OLD], False, "serves version v1, not v2"),
        ([DOWN], False, "answers 503 (database is down: unreachable)"),
        ([NOTHING], False, "gives no answer"),
        ([GATEWAY], False, "answers 502 after 10 s."),
        ([MOVED], False, "answers 302 after 10 s."),
        ([PAGE], False, "answers 200, but not with its health"),
    ],
)
def test_three_good_answers_in_a_row(answers, passed, words):
    verdict = checked(answers, [])
    assert verdict.passed is passed
    assert words in verdict.sentence


@pytest.mark.parametrize(
    ("answer", "passed"),
    [((200, {}), True), ((302, {}), True), ((404, {}), False), ((500, {}), False), (NOTHING, False)],
)
def test_of_another_path_the_status_alone_counts(answer, passed):
    now = iter(range(100))
    place = Place("x/jobs", lambda: answer, is_health=False)
    verdict = check(place, "v2", 5, say=lambda _line: None, clock=lambda: next(now), sleep=lambda _seconds: None)
    assert verdict.passed is passed


def test_a_page_is_no_health_whatever_the_version():
    assert problem_of(PAGE, "") == "answers 200, but not with its health"
    assert problem_of(OLD, "") == ""


def test_each_new_problem_is_said_once():
    said: list[str] = []
    assert checked([NOTHING, NOTHING, GATEWAY, GATEWAY, OLD, OK, OLD, OK, OK, OK], said).passed
    assert said == [
        "   0 s  Service x gives no answer",
        "   2 s  Service x answers 502",
        "   4 s  Service x serves version v1, not v2",
    ]


class Proxy:
    """The API server's proxy to a Service."""

    def __init__(self, status: int, body: bytes) -> None:
        self.answer = status, body

    def ask(self, _path: str, _timeout: float = 10.0) -> tuple[int, bytes]:
        if not self.answer[0]:
            raise UnreachableError("away")
        return self.answer


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"version": "v2", "database": {"schema": 6}}', (200, {"version": "v2", "database": {"schema": 6}})),
        (502, b"<html>Bad Gateway</html>", (502, {})),
        (200, b"[1]", (200, {})),
        (500, b"\xff", (500, {})),
        (0, b"", (0, {})),
    ],
)
def test_the_status_stays_whatever_the_answer_is(status, body, expected):
    proxy: Any = Proxy(status, body)
    assert service_health(proxy, "hustlex", "hustlex-api:http", "/x") == expected
    assert database_health(proxy, "hustlex") == expected[1].get("database", {})


class Outside(BaseHTTPRequestHandler):
    """Answers with the status that the path names, never with JSON."""

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.send_header("Location", "/200")
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Outside)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status", [200, 302, 502])
def test_a_gateway_or_a_redirect_outside_keeps_its_status(url, status):
    assert outside(f"{url}/{status}") == (status, {})


def test_where_nothing_listens_is_no_answer():
    assert outside("http://127.0.0.1:9/x") == (0, {})
