# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plain requests to an API server over one kept-alive connection, with bounded retries and errors that people read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3 import exceptions

from .errors import ApiError, KubeError, NotServedError, UnreachableError
from .kinds import WELL_KNOWN, Kind
from .login import Login

FIELD_MANAGER = "hustlex.platform"
OLDEST_KUBERNETES = (1, 29)

# A server that never answered is most likely not there; one that did answer is most likely restarting.
FIRST_CONTACT_SECONDS = 2.0
RESTART_SECONDS = 30.0
_RETRIED = frozenset({429, 500, 502, 503, 504})
_PAUSES = (0.1, 0.3, 0.6, 1.0, 2.0)

_VERBS = {"GET": "read", "PATCH": "apply", "DELETE": "delete", "POST": "create"}


class Client:
    """Requests as one user; knows nothing of sets or workloads.

    Every request that it makes may be repeated without harm, and is, as long as the server is only briefly away.
    """

    def __init__(
        self,
        login: Login,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.login = login
        self._clock = clock
        self._sleep = sleep
        self._patience = FIRST_CONTACT_SECONDS
        self.warnings: list[str] = []
        self._discovered: dict[str, dict[str, Kind]] = {}
        self._answered: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """The API server's time (whole seconds, from its last answer): one clock for all who talk to it."""
        if self._answered is None:
            return datetime.now(UTC)
        date, at = self._answered
        return date + timedelta(seconds=self._clock() - at)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self._json("GET", path, query)

    def find(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, or None when it does not exist."""
        try:
            return self.get(kind.path(namespace, name))
        except ApiError as error:
            if error.status == 404 and not isinstance(error, NotServedError):
                return None
            raise

    def list_metadata(self, kind: Kind, namespace: str, selector: str) -> list[dict[str, Any]]:
        """As `list`, but without what is in the objects beside their metadata."""
        accept = {"accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
        answer = self._request("GET", kind.path(namespace), {"labelSelector": selector}, headers=accept)
        found: list[dict[str, Any]] = json.loads(answer.data).get("items") or []
        return found

    def list(self, kind: Kind, namespace: str = "", selector: str = "", fields: str = "") -> list[dict[str, Any]]:
        """Objects of a kind, each with the apiVersion and kind that lists leave out."""
        query = {"labelSelector": selector, "fieldSelector": fields}
        body = self.get(kind.path(namespace), **{key: value for key, value in query.items() if value})
        return [{"apiVersion": kind.api_version, "kind": kind.name, **item} for item in body.get("items") or []]

    def ask(self, path: str, timeout: float = 10.0, method: str = "GET", body: Any = None) -> tuple[int, bytes]:
        """Status and body of one request, whatever they are; for what is behind the API server's proxy."""
        headers, url = dict(self.login.headers), f"{self.login.server}{path}"
        options: dict[str, Any] = {"retries": False, "timeout": timeout}
        if body is not None:
            headers["content-type"] = "application/json"
            options["body"] = json.dumps(body).encode()
        try:
            answer = self.login.pool.request(method, url, headers=headers, **options)
        except exceptions.HTTPError as error:
            raise self._unreachable(error) from error
        return answer.status, answer.data

    def create(self, kind: Kind, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create what must not be there yet; ApiError 409 when it is."""
        path = kind.path(manifest["metadata"].get("namespace", ""))
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
        return self._json("POST", path, query, manifest, "application/json")

    def apply(self, kind: Kind, manifest: Mapping[str, Any], dry_run: bool = False) -> dict[str, Any]:
        """Server-side apply; fields that others own are taken over."""
        metadata = manifest["metadata"]
        query = {"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"}
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        return self._json("PATCH", path, _with_dry_run(query, dry_run), manifest, "application/apply-patch+yaml")

    def merge(
        self, kind: Kind, namespace: str, name: str, change: Mapping[str, Any], dry_run: bool = False
    ) -> dict[str, Any]:
        """Change the named fields alone, whoever owns them; None removes one.

        With a resourceVersion in its metadata it changes that version alone; ApiError 409 when there is a later one.
        """
        query = _with_dry_run({"fieldManager": FIELD_MANAGER}, dry_run)
        return self._json("PATCH", kind.path(namespace, name), query, change, "application/merge-patch+json")

    def replace(
        self, kind: Kind, namespace: str, name: str, fields: Mapping[str, Any], dry_run: bool = False
    ) -> dict[str, Any]:
        """Set fields, each named by its JSON pointer (`/spec/template`), as a whole; nothing of the old value stays."""
        query = _with_dry_run({"fieldManager": FIELD_MANAGER}, dry_run)
        operations = [{"op": "add", "path": path, "value": value} for path, value in fields.items()]
        return self._json("PATCH", kind.path(namespace, name), query, operations, "application/json-patch+json")

    def delete(self, kind: Kind, namespace: str, name: str, dry_run: bool = False) -> None:
        """Delete in the background; an object that is gone already is fine."""
        query = _with_dry_run({"propagationPolicy": "Background"}, dry_run)
        try:
            self._json("DELETE", kind.path(namespace, name), query)
        except ApiError as error:
            if error.status != 404:
                raise

    def log(
        self,
        namespace: str,
        pod: str,
        container: str,
        lines: int,
        previous: bool = False,
        stamped: bool = False,
        since: str = "",
        most_bytes: int = 0,
        seconds: float = 0,
    ) -> str:
        """The last lines that a container wrote, each with its time in front if `stamped`.

        since: none that is older, RFC 3339; most_bytes: so many from the first of these lines on; seconds: for one single try.
        """
        query = {"container": container, "tailLines": lines, "previous": str(previous).lower()}
        if stamped:
            query["timestamps"] = "true"
        if since:
            query["sinceTime"] = since
        if most_bytes:
            query["limitBytes"] = most_bytes
        path = f"{WELL_KNOWN['v1', 'Pod'].path(namespace, pod)}/log"
        return self._request("GET", path, query, seconds=seconds).data.decode("utf-8", errors="replace")

    def kind(self, api_version: str, name: str) -> Kind:
        """How the server serves a kind; asks it only about kinds that are not the same everywhere."""
        if known := WELL_KNOWN.get((api_version, name)):
            return known
        if api_version not in self._discovered:
            self._discovered[api_version] = self._discover(api_version)
        try:
            return self._discovered[api_version][name]
        except KeyError:
            raise NotServedError(_not_served(f"{name} ({api_version})", self.login), 404) from None

    def may(self, verb: str, group: str, resource: str, namespace: str) -> bool:
        """Whether the user of this login may do that, as the API server's authorisers see it."""
        attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool(self._json("POST", path, {}, review, "application/json")["status"]["allowed"])

    def rules(self, namespace: str) -> Sequence[Mapping[str, Any]]:
        """What the user of this login may do in a namespace, as far as the authorisers can list it, in one request."""
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
        answer = self._json("POST", path, {}, review, "application/json")
        return answer["status"].get("resourceRules") or ()

    def version(self) -> tuple[int, int]:
        """Major and minor version of Kubernetes."""
        answer = self.get("/version")
        return int(answer["major"]), int("".join(c for c in answer["minor"] if c.isdigit()))

    def _discover(self, api_version: str) -> dict[str, Kind]:
        root = Kind(api_version, "", "", False).root
        try:
            resources = self.get(root).get("resources") or []
        except ApiError as error:
            if error.status != 404:
                raise
            return {}
        return {
            item["kind"]: Kind(api_version, item["kind"], item["name"], bool(item["namespaced"]))
            for item in resources
            if "/" not in item["name"]
        }

    def _json(
        self, method: str, path: str, query: Mapping[str, Any], body: Any = None, content_type: str = ""
    ) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._request(method, path, query, body, content_type).data)
        return answer

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Any = None,
        content_type: str = "",
        headers: Mapping[str, str] | None = None,
        seconds: float = 0,
    ) -> urllib3.BaseHTTPResponse:
        url = f"{self.login.server}{path}{'?' + urlencode(query) if query else ''}"
        headers = {**self.login.headers, **(headers or {})}
        if content_type:
            headers["content-type"] = content_type
        data = json.dumps(body).encode() if body is not None else None
        limit: dict[str, Any] = {"timeout": seconds} if seconds else {}
        began = self._clock()
        for attempt in range(1000):
            pause = _PAUSES[min(attempt, len(_PAUSES) - 1)]
            can_wait = not seconds and self._clock() - began + pause < self._patience
            try:
                response = self.login.pool.request(method, url, body=data, headers=headers, retries=False, **limit)
            except exceptions.HTTPError as error:
                if not can_wait or _is_certificate_error(error):
                    raise self._unreachable(error) from error
            else:
                self._keep_date(response)
                if response.status < 400:
                    self._patience = RESTART_SECONDS
                    self._keep_warnings(response)
                    return response
                if response.status not in _RETRIED or not can_wait or attempt >= len(_PAUSES):
                    raise self._refused(method, path, response)
            self._sleep(pause)
        raise AssertionError("patience is finite")

    def _keep_date(self, response: urllib3.BaseHTTPResponse) -> None:
        if date := response.headers.get("date"):
            self._answered = parsedate_to_datetime(date), self._clock()

    def _keep_warnings(self, response: urllib3.BaseHTTPResponse) -> None:
        """Warnings of the API server, such as that of a version that will go: `299 - "text"` each."""
        for header in response.headers.getlist("warning"):
            text = header.partition('"')[2].rpartition('"')[0].replace('\\"', '"')
            if text and text not in self.warnings:
                self.warnings.append(text)

    def _unreachable(self, error: exceptions.HTTPError) -> KubeError:
        address = self.login.address
        if _is_certificate_error(error):
            return UnreachableError(
                f"The API server at {address} shows a certificate that this kubeconfig does not trust"
                f" ({_certificate_problem(error)}): is it the kubeconfig of this cluster?"
            )
        return UnreachableError(
            f"The Kubernetes API server at {address} cannot be reached ({_network_problem(error)}):"
            " is the cluster running, and does the kubeconfig name its address?"
        )

    def _refused(self, method: str, path: str, response: urllib3.BaseHTTPResponse) -> ApiError:
        status = _status_of(response)
        message = str(status.get("message") or response.reason or "no reason given").strip()
        details = status.get("details") or {}
        reason = str(status.get("reason") or "")
        code = response.status
        if code == 401:
            return ApiError(
                f"The API server at {self.login.address} does not accept these credentials"
                f"{self._in_context()}: they are expired or of another cluster; log in again.",
                code,
                reason,
            )
        if code == 403 and " cannot " in message and "is forbidden: User" in message:
            return ApiError(f"{_forbidden(message)}{self._in_context()}.", code, reason, details)
        if (code == 404 and not details.get("name")) or code == 415:
            return NotServedError(_not_served(path, self.login), code, reason, details)
        if code in _RETRIED:
            message = f"The API server at {self.login.address} fails ({code}): {message}"
        return ApiError(message, code, reason, details)

    def _in_context(self) -> str:
        return f' (context "{self.login.context}")' if self.login.context else ""


def _with_dry_run(query: dict[str, str], dry_run: bool) -> dict[str, str]:
    return {**query, "dryRun": "All"} if dry_run else query


def _status_of(response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    try:
        status = json.loads(response.data)
    except ValueError:
        return {"message": response.data.decode("utf-8", errors="replace")[:200]}
    return status if isinstance(status, dict) else {}


def _forbidden(message: str) -> str:
    """`User "x" cannot list resource "y" ...` is the part of the server's answer that helps."""
    return "Not allowed: " + message[message.index("User ") :].rstrip(".")


def _not_served(what: str, login: Login) -> str:
    return (
        f"The cluster at {login.address} does not serve {what}:"
        " it is too old, or the extension that defines it is not installed."
    )


def _is_certificate_error(error: BaseException | None) -> bool:
    return isinstance(error, exceptions.SSLError) and "certificate" in str(error).lower()


def _certificate_problem(error: exceptions.HTTPError) -> str:
    text = str(error)
    for marker in ("certificate verify failed: ", "CertificateError("):
        if marker in text:
            return text.split(marker, 1)[1].split(" (_ssl", 1)[0].strip("()\"'. ")
    return text


def _network_problem(error: exceptions.HTTPError) -> str:
    text = str(error)
    for words in ("Connection refused", "Name or service not known", "No route to host", "Network is unreachable"):
        if words in text:
            return words.lower()
    if isinstance(error, exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(error, exceptions.ProtocolError):
        return "the connection was closed"
    return text.rsplit(": ", 1)[-1]
