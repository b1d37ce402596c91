"""The client against an API server that answers as told."""

import contextlib
import json
from collections.abc import Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import urllib3
from ansible_collections.hustlex.platform.plugins.module_utils.kube.client import Client
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import (
    ApiError,
    NotServedError,
    UnreachableError,
)
from ansible_collections.hustlex.platform.plugins.module_utils.kube.kinds import WELL_KNOWN, Kind
from ansible_collections.hustlex.platform.plugins.module_utils.kube.login import Login
from ansible_collections.hustlex.platform.plugins.module_utils.kube.refusal import explain
from urllib3.exceptions import NewConnectionError, ProtocolError, SSLError

CONFIG_MAP, STATEFUL_SET = WELL_KNOWN["v1", "ConfigMap"], WELL_KNOWN["apps/v1", "StatefulSet"]
REFUSED = NewConnectionError(None, "Failed to establish a new connection: [Errno 111] Connection refused")  # type: ignore[arg-type]

DATE = "Wed, 25 Nov 2026 15:00:00 GMT"


def answer(body: Any, status: int = 200, **headers: str) -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(json.dumps(body).encode(), headers, status, preload_content=True)


def refusal(code: int, message: str, date: str = "", **details: Any) -> urllib3.HTTPResponse:
    return answer({"kind": "Status", "message": message, "reason": "x", "details": details}, code, date=date)


class Server:
    """Gives one answer after the other and notes what was asked; the last answer is given for ever."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[tuple[str, str]]()

    def request(self, method: str, url: str, **_options: Any) -> urllib3.HTTPResponse:
        self.asked.append((method, url))
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(given, Exception):
            raise given
        assert isinstance(given, urllib3.HTTPResponse)
        return given


def client(server: Server) -> Client:
    ticks = iter_of_time()
    login = Login("https://10.0.0.1:6443", server, {}, "staging")  # type: ignore[arg-type]
    return Client(login, clock=lambda: next(ticks), sleep=lambda _seconds: None)


def iter_of_time(step: float = 0.3) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += step


@pytest.mark.parametrize(
    "first", [refusal(429, "slow down"), refusal(503, "starting"), REFUSED, ProtocolError("Connection aborted")]
)
def test_what_passes_is_tried_again(first: Any) -> None:
    server = Server(first, answer({"items": []}))
    assert client(server).list(CONFIG_MAP, "hustlex") == []
    assert len(server.asked) == 2


def test_patience_ends() -> None:
    server = Server(REFUSED)
    with pytest.raises(UnreachableError) as caught:
        client(server).get("/version")
    assert str(caught.value).startswith(
        "The Kubernetes API server at 10.0.0.1:6443 cannot be reached (connection refused)"
    )
    assert 2 < len(server.asked) < 12


def test_a_server_that_answered_once_gets_more_patience() -> None:
    server = Server(answer({}), *[REFUSED] * 20, answer({"major": "1", "minor": "33+"}))
    asker = client(server)
    asker.get("/version")
    assert asker.version() == (1, 33)


def test_a_certificate_is_not_tried_again() -> None:
    server = Server(
        SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer (_ssl.c)")
    )
    with pytest.raises(UnreachableError, match=r"does not trust \(unable to get local issuer\)"):
        client(server).get("/version")
    assert len(server.asked) == 1


def test_expired_credentials() -> None:
    with pytest.raises(ApiError, match=r'does not accept these credentials \(context "staging"\)') as caught:
        client(Server(refusal(401, "Unauthorized"))).get("/version")
    assert caught.value.status == 401


def test_forbidden_verb() -> None:
    message = (
        'configmaps is forbidden: User "ci" cannot list resource "configmaps" in API group "" in the namespace "x"'
    )
    with pytest.raises(ApiError) as caught:
        client(Server(refusal(403, message))).list(CONFIG_MAP, "x")
    assert str(caught.value).startswith('Not allowed: User "ci" cannot list resource "configmaps"')


def test_kinds_that_are_not_served() -> None:
    with pytest.raises(NotServedError, match="does not serve /apis/apps/v1"):
        client(Server(refusal(404, "the server could not find the requested resource"))).list(STATEFUL_SET, "x")
    with pytest.raises(NotServedError, match=r"does not serve Widget \(example.test/v1\)"):
        client(Server(refusal(404, "not found"))).kind("example.test/v1", "Widget")


def test_discovery_of_unknown_kinds_asks_once() -> None:
    resources = [
        {"kind": "Widget", "name": "widgets/status", "namespaced": True},
        {"kind": "Widget", "name": "widgets", "namespaced": True},
    ]
    server = Server(answer({"resources": resources}))
    asker = client(server)
    assert asker.kind("example.test/v1", "Widget") == Kind("example.test/v1", "Widget", "widgets", True)
    asker.kind("example.test/v1", "Widget")
    assert len(server.asked) == 1
    assert asker.kind("apps/v1", "Deployment").path("n", "a") == "/apis/apps/v1/namespaces/n/deployments/a"


def test_an_absent_object_is_none() -> None:
    server = Server(refusal(404, 'configmaps "a" not found', name="a", kind="configmaps"))
    assert client(server).find(CONFIG_MAP, "n", "a") is None


def test_apply_is_forced_strict_and_dry_on_request() -> None:
    server = Server(answer({}))
    client(server).apply(CONFIG_MAP, {"metadata": {"name": "a", "namespace": "n"}}, dry_run=True)
    method, url = server.asked[0]
    assert method == "PATCH"
    for part in ("/api/v1/namespaces/n/configmaps/a?", "force=true", "fieldValidation=Strict", "dryRun=All"):
        assert part in url


def test_a_log_is_bounded_and_tried_once_within_a_time() -> None:
    server = Server(refusal(500, "the node is away"))
    since = "2026-11-25T15:00:00+00:00"
    with pytest.raises(ApiError, match="the node is away"):
        client(server).log("n", "p", "c", 9, previous=True, since=since, most_bytes=100, seconds=5)
    ((method, url),) = server.asked
    assert method == "GET"
    parts = ("/namespaces/n/pods/p/log?", "container=c", "tailLines=9", "previous=true", "limitBytes=100")
    for part in (*parts, "sinceTime=2026-11-25T15%3A00%3A00%2B00%3A00"):
        assert part in url


@pytest.mark.parametrize(
    "first", [answer({}, date=DATE), refusal(404, "not found", date=DATE), refusal(403, "no", date=DATE)]
)
def test_every_answer_brings_the_time_of_the_server(first: urllib3.HTTPResponse) -> None:
    asker = client(Server(first))
    with contextlib.suppress(ApiError):
        asker.get("/a")
    assert timedelta() <= asker.now() - parsedate_to_datetime(DATE) < timedelta(seconds=2)


def test_warnings_of_the_server_are_kept_once() -> None:
    asker = client(Server(answer({}, warning='299 - "v1 is \\"old\\""')))
    asker.get("/a")
    asker.get("/b")
    assert asker.warnings == ['v1 is "old"']


MANIFEST = {"kind": "StatefulSet", "metadata": {"name": "postgres", "namespace": "n"}, "spec": {"serviceName": "new"}}
LIVE = {**MANIFEST, "spec": {"serviceName": "old"}}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ApiError(
                "spec: Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden", 422
            ),
            "StatefulSet postgres cannot be changed in spec.serviceName: run `kubectl delete statefulset postgres -n n",
        ),
        (
            ApiError('pods "x" is forbidden: exceeded quota: small', 403),
            'StatefulSet postgres is refused: pods "x" is forbidden: exceeded quota: small.',
        ),
        (
            ApiError('namespaces "n" not found', 404),
            "StatefulSet postgres: the namespace n does not exist; create it first (--tags namespace).",
        ),
        (
            ApiError(
                'configmaps "y" is forbidden: unable to create new content in n because it is being terminated', 403
            ),
            "StatefulSet postgres: the namespace n is being deleted; run this again when it is gone.",
        ),
        (
            ApiError("x" * 400, 422, "", {"causes": [{"field": "spec.a", "message": "Required value"}]}),
            "StatefulSet postgres is refused: spec.a: Required value.",
        ),
    ],
)
def test_refusals_name_object_field_and_way_out(error: ApiError, words: str) -> None:
    assert explain(error, MANIFEST, LIVE).startswith(words)
