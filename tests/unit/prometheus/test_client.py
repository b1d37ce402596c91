"""Queries over a transport that answers as told."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from ansible_collections.hustlex.platform.plugins.module_utils.kube.client import Client
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import MissingKubeconfigError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.login import Login
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.address import Address
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.client import (
    Prometheus,
    ServiceProxy,
    Source,
)
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.errors import (
    QueryRefusedError,
    SettingsError,
    UnavailableError,
)
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError, SSLError

URL = "https://prometheus.example.com/prefix/"
BAD_QUERY = {"status": "error", "errorType": "bad_data", "error": "1:5: parse error: unexpected end of input"}
TOO_SLOW = {"status": "error", "errorType": "timeout", "error": "query timed out in expression evaluation"}
REFUSED = NewConnectionError(None, "Failed to establish a new connection: [Errno 111] Connection refused")  # type: ignore[arg-type]
UNTRUSTED = SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate")


def vector(*values: str) -> dict[str, Any]:
    found = [{"metric": {"pod": str(number)}, "value": [1751362200.5, value]} for number, value in enumerate(values)]
    return {"status": "success", "data": {"resultType": "vector", "result": found}}


def answer(body: Any, status: int = 200) -> urllib3.HTTPResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return urllib3.HTTPResponse(data, {}, status, reason=HTTPStatus(status).phrase)


class Server:
    """Gives one answer after the other, the last one for ever, and notes what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.urls: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.connects = 0

    def request(self, _method: str, url: str, **options: Any) -> urllib3.HTTPResponse:
        self.urls.append(url)
        self.headers.append(options["headers"])
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(given, Exception):
            raise given
        assert isinstance(given, urllib3.HTTPResponse)
        return given

    def address(self, **options: str) -> Address:
        address = Address(URL, **options)
        address._pool = self  # type: ignore[assignment]
        return address

    def service(self) -> ServiceProxy:
        return ServiceProxy(self._connect, "hustlex", "prometheus:9090")

    def _connect(self) -> Client:
        self.connects += 1
        return Client(Login("https://10.0.0.1:6443", self, {}), clock=lambda: 0, sleep=lambda _seconds: None)  # type: ignore[arg-type]

    def source(self, kind: str) -> Source:
        return self.address() if kind == "address" else self.service()


def asked(url: str) -> tuple[str, dict[str, list[str]]]:
    return urlsplit(url).path, parse_qs(urlsplit(url).query)


both = pytest.mark.parametrize("kind", ["address", "service"])


@both
@pytest.mark.parametrize(
    ("body", "numbers"),
    [
        (vector("0.25"), [0.25]),
        (vector("1", "2e-3", "+Inf"), [1, 0.002, math.inf]),
        (vector(), []),
        ({"status": "success", "data": {"resultType": "scalar", "result": [1751362200, "7"]}}, [7]),
    ],
)
def test_numbers(kind: str, body: dict[str, Any], numbers: list[float]) -> None:
    assert Prometheus(Server(answer(body)).source(kind)).numbers("up") == numbers


def test_nan_stays_nan() -> None:
    assert math.isnan(Prometheus(Server(answer(vector("NaN"))).address()).numbers("0/0")[0])


def test_what_is_asked_at_an_address(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc.def\n")
    server = Server(answer(vector("1")))
    prometheus = Prometheus(server.address(bearer_token_file=str(tmp_path / "token")))
    prometheus.numbers('up{a="b c&d"}', "2026-07-01T09:30:00Z")
    expected = {"query": ['up{a="b c&d"}'], "time": ["2026-07-01T09:30:00Z"]}
    assert asked(server.urls[0]) == ("/prefix/api/v1/query", expected)
    assert server.headers[0]["authorization"] == "Bearer abc.def"


def test_what_is_asked_through_a_service() -> None:
    server = Server(answer(vector("1")))
    Prometheus(server.service()).numbers('up{a="b c&d"}')
    path = "/api/v1/namespaces/hustlex/services/prometheus:9090/proxy/api/v1/query"
    assert asked(server.urls[0]) == (path, {"query": ['up{a="b c&d"}']})


@both
def test_a_bad_query_has_prometheus_own_sentence(kind: str) -> None:
    with pytest.raises(QueryRefusedError) as caught:
        Prometheus(Server(answer(BAD_QUERY, 400)).source(kind)).numbers("sum(")
    assert str(caught.value) == "1:5: parse error: unexpected end of input"


@both
@pytest.mark.parametrize("result_type", ["matrix", "string"])
def test_a_query_that_gives_no_number_is_refused(kind: str, result_type: str) -> None:
    body = {"status": "success", "data": {"resultType": result_type, "result": []}}
    with pytest.raises(QueryRefusedError, match=f"it gives a {result_type}"):
        Prometheus(Server(answer(body)).source(kind)).numbers("up[5m]")


@both
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (answer(TOO_SLOW, 503), "query timed out in expression evaluation"),
        (answer({"status": "error", "errorType": "execution", "error": "many-to-many matching"}, 422), "many-to-many"),
        (answer(b"<html>log in</html>"), "does not answer as Prometheus does"),
        (answer([1]), "does not answer as Prometheus does"),
        (answer({"status": "success", "data": {}}), "does not answer as Prometheus does"),
        (answer({"status": "success", "data": {"resultType": "vector", "result": [{"histogram": []}]}}), "does not"),
        (REFUSED, "connection refused"),
    ],
)
def test_what_is_no_answer(kind: str, given: Any, words: str) -> None:
    with pytest.raises(UnavailableError, match=r"^Prometheus .*[.?]$") as caught:
        Prometheus(Server(given).source(kind)).numbers("up")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (answer(b"-", 302), "gives no answer (302): Found."),
        (answer(b"not found", 404), "gives no answer (404): Not Found."),
        (answer(b"-", 401), "does not let us in (401): check bearer_token_file"),
        (MaxRetryError(None, "/", UNTRUSTED), "certificate verify failed"),  # type: ignore[arg-type]
        (ReadTimeoutError(None, "/", "Read timed out. (read timeout=15)"), "timed out"),  # type: ignore[arg-type]
        (ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer")), "reset by peer"),
    ],
)
def test_what_is_no_answer_at_an_address(given: Any, words: str) -> None:
    with pytest.raises(UnavailableError) as caught:
        Prometheus(Server(given).address()).numbers("up")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, {"message": 'services "prometheus" not found', "details": {"name": "prometheus"}}, "not found."),
        (503, {"message": 'no endpoints available for service "prometheus:9090"'}, "no endpoints available"),
        (404, {}, "gives no answer (404): Not Found."),
        (
            403,
            {"message": 'services "p" is forbidden: User "jo" cannot get resource "services/proxy"'},
            'gives no answer (403): services "p" is forbidden: User "jo" cannot get resource "services/proxy".',
        ),
    ],
)
def test_what_is_no_answer_through_a_service(status: int, body: dict[str, Any], words: str) -> None:
    with pytest.raises(UnavailableError) as caught:
        Prometheus(Server(answer({"kind": "Status", **body}, status)).service()).numbers("up")
    assert words in str(caught.value)
    assert "Prometheus behind Service prometheus:9090 in namespace hustlex" in str(caught.value)


def test_credentials_that_expired_are_asked_for_anew() -> None:
    server = Server(answer(vector("1")), answer({}, 401), answer(vector("2")))
    prometheus = Prometheus(server.service())
    assert prometheus.numbers("up") == [1]
    assert prometheus.numbers("up") == [2]
    assert server.connects == 2


def test_a_kubeconfig_that_is_not_there_is_no_answer() -> None:
    def connect() -> Client:
        raise MissingKubeconfigError("The kubeconfig /x does not exist.")

    with pytest.raises(UnavailableError, match="The kubeconfig /x does not exist"):
        Prometheus(ServiceProxy(connect, "hustlex", "prometheus:9090")).numbers("up")


@pytest.mark.parametrize(
    "url",
    ["prometheus:9090", "ftp://x", "http://", "http://x:port", "http://x:99999", "https://x/?a=b", "http://[::1", ""],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(SettingsError, match="url must be the address of Prometheus"):
        Address(url)


def test_an_address_with_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(SettingsError, match="bearer_token_file") as caught:
        Address("https://jo:hidden@x")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("service", ["prometheus", "prometheus:", "a/b:80", "ftp:prometheus:80", "p:80/../..", "P:80"])
def test_services_that_are_none(service: str) -> None:
    with pytest.raises(SettingsError, match='service must be "name:port"'):
        ServiceProxy(Server()._connect, "hustlex", service)


@pytest.mark.parametrize("service", ["prometheus:9090", "prometheus:web", "https:prometheus-k8s:9090"])
def test_services(service: str) -> None:
    with pytest.raises(SettingsError, match="Give the namespace"):
        ServiceProxy(Server()._connect, "", service)


@pytest.mark.parametrize(("content", "words"), [(b"", "no token"), (b"a\nb", "no token"), (b"\xff", "no text")])
def test_tokens_that_are_none(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=words):
        Address(URL, bearer_token_file=str(file))


def test_files_that_are_missing_or_wrong(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    with pytest.raises(SettingsError, match=r"absent cannot be read: No such file"):
        Address(URL, bearer_token_file=absent)
    with pytest.raises(SettingsError, match=r"absent cannot be used: No such file"):
        Address(URL, ca_file=absent)
    (tmp_path / "empty").write_text("no certificate")
    with pytest.raises(SettingsError, match="it holds no certificate"):
        Address(URL, ca_file=str(tmp_path / "empty"))
