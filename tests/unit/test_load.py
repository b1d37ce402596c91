"""The load that tests put on the application: against a small server that fails as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.e2e.load import Load
from tests.e2e.results import Accepted, Results, Sample
from tests.e2e.settled import jobs_done

RATE = 100


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        match self.server.trouble():
            case "hang up":
                self.close_connection = True
            case "half":
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n[]")
                self.close_connection = True
            case "503":
                self._answer(503, {"error": "no"})
            case "slow":
                time.sleep(0.5)
                self._answer(200, [])
            case _:
                self._answer(200, [])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/api/v1/registrations":
            self._answer(201, {"id": self.server.next(), "token": "t"})
            return
        assert self.headers["authorization"] == "Bearer t"
        number = self.server.next()
        self.server.amounts[number] = Decimal(json.loads(body)["amount_ngn"])
        self._answer(202, {"id": number})

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.amounts: dict[int, Decimal] = {}
        self.connections = 0
        self.fault, self.every = "", 1
        self._numbers, self._looks, self._lock = 0, 0, threading.Lock()

    def get_request(self):  # type: ignore[no-untyped-def]
        self.connections += 1
        return super().get_request()

    def next(self) -> int:
        with self._lock:
            self._numbers += 1
            return self._numbers

    def trouble(self) -> str:
        with self._lock:
            self._looks += 1
            return self.fault if self._looks % self.every == 0 else ""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def are_due_at_the_rate(results: Results) -> bool:
    """When each was due, not when it was sent: a machine that does other things is late, and catches up."""
    dues = sorted(sample.at for sample in results.samples)
    return dues == pytest.approx([number / RATE for number in range(results.total)])


def loaded(server: Server, seconds: float = 1, **options: float) -> Results:
    with Load(server.url, RATE, **options) as load:  # type: ignore[arg-type]
        time.sleep(seconds)
    return load.results


def test_the_rate_is_kept_and_every_transaction_remembered(server: Server) -> None:
    results = loaded(server, 2, posts=0.2)
    assert are_due_at_the_rate(results)
    assert RATE <= results.total <= 1.01 * RATE * results.seconds
    assert results.failed == 0
    assert {number: each.amount for number, each in results.accepted.items()} == server.amounts
    assert len(server.amounts) == pytest.approx(results.total / 5, rel=0.4)
    assert server.connections == results.total + len(results.users)
    assert "0 failed" in str(results)


def test_slow_answers_delay_no_request_and_count_from_when_it_was_due(server: Server) -> None:
    server.fault = "slow"
    results = loaded(server, posts=0)
    assert are_due_at_the_rate(results)
    assert results.total > RATE / 2, "one after the other would be 2"
    assert results.latency(0) >= 0.5
    assert results.latency(50) < 1


@pytest.mark.parametrize(
    ("fault", "said"), [("503", ""), ("hang up", "closed after 0 bytes"), ("half", "closed after 2 bytes")]
)
@pytest.mark.parametrize("kept", [0, 1])
def test_every_failure_is_counted_with_its_time(server: Server, fault: str, said: str, kept: float) -> None:
    server.fault, server.every = fault, 10
    results = loaded(server, posts=0, kept=kept)
    assert results.failed == results.total // 10
    assert {sample.error for sample in results.failures} == {said}
    assert all(0 <= sample.at <= 4 for sample in results.failures)
    assert str(results).count(" GET: ") == results.failed


def test_a_request_without_an_answer_fails_in_time(server: Server) -> None:
    server.fault, server.every = "slow", 20
    results = loaded(server, 0.5, posts=0, timeout=0.2)
    assert {sample.error for sample in results.failures} == {"no answer within 0.2 s"}
    assert 0.2 <= results.latency(100) < 5


def test_kept_connections_are_used_again_and_a_refused_one_is_a_failure(server: Server) -> None:
    with Load(server.url, 20, posts=0, kept=1) as load:
        time.sleep(2)
        assert server.connections < 20, "one for each request would be 40"
        server.shutdown()
        server.socket.close()
        server.every, server.fault = 1, "hang up"
        time.sleep(0.5)
    assert any("Connect call failed" in sample.error for sample in load.results.failures)


def test_it_ends_by_itself_and_says_so(server: Server) -> None:
    load = Load(server.url, posts=0, max_seconds=0.2)
    with pytest.raises(TimeoutError, match=r"ended after its 0\.2 s"), load:
        time.sleep(2)
    assert load.results.total == 20


@pytest.mark.parametrize("url", ["http://192.0.2.1:80", "http://example.com", "http://0.0.0.0:1", "/x"])
def test_it_goes_to_loopback_only(url: str) -> None:
    with pytest.raises(ValueError, match="loopback address"):
        Load(url)


GOOD = {"jobs": "0", "failed": "", "transactions": "7|1|2.50|settled|1|1\n8|1|1.00|settled|1|1", "users": "1|3.50"}


def proof(**answers: str) -> int:
    results = Results(
        datetime.now(UTC),
        samples=[Sample(0, "GET", 0.1, 200), Sample(0, "POST", 0.1, 202)],
        users=[1],
        accepted={7: Accepted(1, Decimal("2.50")), 8: Accepted(1, Decimal(1))},
    )

    def psql(statement: str) -> str:
        kind = next(
            name
            for name, words in {
                "jobs": "'queued'",
                "failed": "'failed'",
                "transactions": "FROM transactions",
                "users": "balance_ngn",
            }.items()
            if words in statement
        )
        return {**GOOD, **answers}[kind]

    return jobs_done(psql, results, within=0.1)


def test_transactions_that_were_settled_once_are_proved() -> None:
    assert proof() == 2


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"jobs": "1"}, "1 jobs are not done"),
        ({"failed": "7|settle_transaction|x"}, "jobs failed: 7"),
        ({"transactions": "7|1|2.50|settled|1|1"}, "accepted and not there: {8"),
        ({"transactions": "7|1|2.00|settled|1|1\n8|1|1.00|settled|1|1"}, "accepted and not there: {7"),
        ({"transactions": "7|1|2.50|settled|2|2\n8|1|1.00|settled|1|1"}, "not settled by exactly one job"),
        ({"transactions": "7|1|2.50|pending|0|0\n8|1|1.00|settled|1|1"}, "not settled by exactly one job"),
        ({"transactions": GOOD["transactions"] + "\n9|1|1.00|settled|1|1"}, "1 transactions more"),
        ({"users": "1|6.00"}, r"user 1 has 6\.00 instead of 3\.50"),
    ],
)
def test_what_was_lost_or_done_twice_is_found(answers: dict[str, str], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        proof(**answers)
