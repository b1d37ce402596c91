# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Instant queries to Prometheus, and its alerts, at its own address or through the proxy of a Kubernetes API server.

The API: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlencode

from ..kube.client import Client
from ..kube.connection import Connection
from ..kube.errors import KubeError
from ..text.json_object import decoded
from .errors import READ_SECONDS, QueryRefusedError, SettingsError, UnavailableError

_PATH = "/api/v1/query"
_NOT_PROMETHEUS = "does not answer as Prometheus does: is its address right?"
# [https:]name:port, where the port is a number or the Service's name for it.
_SERVICE = re.compile(r"(https?:)?[a-z]([-a-z0-9]{0,61}[a-z0-9])?:[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class Source(Protocol):
    """Where Prometheus is."""

    @property
    def name(self) -> str: ...

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of one request; raises UnavailableError without an answer."""


class Prometheus:
    def __init__(self, source: Source) -> None:
        self._source = source

    def numbers(self, query: str, time: str = "") -> list[float]:
        """The value of each series that the query gives now, or at an RFC 3339 time.

        Raises QueryRefusedError for a query that will never be answered, and UnavailableError for whatever else is no answer.
        """
        parameters = {"query": query, "time": time} if time else {"query": query}
        data = self._data(f"{_PATH}?{urlencode(parameters)}")
        try:
            kind, found = data["resultType"], data["result"]
            if kind == "scalar":
                return [float(found[1])]
            if kind == "vector":
                return [float(series["value"][1]) for series in found]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UnavailableError(f"{self._source.name} {_NOT_PROMETHEUS}") from error
        raise QueryRefusedError(f"it gives a {kind}, and a gate compares numbers")

    def labels(self, query: str, label: str) -> list[str]:
        """The value of a label of each series that the query gives now; raises as `numbers` does."""
        data = self._data(f"{_PATH}?{urlencode({'query': query})}")
        try:
            return [str(series["metric"].get(label, "")) for series in data["result"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise UnavailableError(f"{self._source.name} {_NOT_PROMETHEUS}") from error

    def alerts(self) -> list[dict[str, Any]]:
        """Every alert that fires or is about to, as the API gives it; raises UnavailableError."""
        try:
            return [dict(each) for each in self._data("/api/v1/alerts")["alerts"]]
        except (KeyError, TypeError, ValueError) as error:
            raise UnavailableError(f"{self._source.name} {_NOT_PROMETHEUS}") from error

    def alert_names(self) -> set[str]:
        """Names of all alerts that there are rules for; raises UnavailableError."""
        try:
            groups = self._data("/api/v1/rules?type=alert")["groups"]
            return {str(rule["name"]) for group in groups for rule in group["rules"]}
        except (KeyError, TypeError) as error:
            raise UnavailableError(f"{self._source.name} {_NOT_PROMETHEUS}") from error

    def _data(self, path: str) -> Any:
        status, raw = self._source.get(path)
        body = decoded(raw)
        # Prometheus says `error`; an API server that cannot get to it says `message`.
        problem = str(body.get("error") or body.get("message") or _phrase(status)).strip().rstrip(".")
        if status == HTTPStatus.BAD_REQUEST and body.get("errorType") == "bad_data":
            raise QueryRefusedError(problem)
        if status != HTTPStatus.OK:
            raise UnavailableError(f"{self._source.name} gives no answer ({status}): {problem}.")
        return body.get("data")


class ServiceProxy:
    """Prometheus, or its Alertmanager, behind a Service, reached with the login to the cluster; connect logs in."""

    def __init__(self, connect: Callable[[], Client], namespace: str, service: str, what: str = "Prometheus") -> None:
        if not _SERVICE.fullmatch(service):
            raise SettingsError(f'service must be "name:port", such as "prometheus:9090", not "{service}".')
        if not namespace:
            raise SettingsError(f"Give the namespace of Service {service}.")
        self._connection, self._namespace, self._service = Connection(connect), namespace, service
        self._what = what

    @property
    def name(self) -> str:
        return f"{self._what} behind Service {self._service} in namespace {self._namespace}"

    def get(self, path: str) -> tuple[int, bytes]:
        return self._asked(path)

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Status and body of one request with a JSON body; raises UnavailableError without an answer."""
        return self._asked(path, method=method, body=body)

    def _asked(self, path: str, **request: Any) -> tuple[int, bytes]:
        proxy = f"/api/v1/namespaces/{self._namespace}/services/{self._service}/proxy"
        try:
            return self._connection.ask(f"{proxy}{path}", READ_SECONDS, **request)
        except KubeError as error:
            raise UnavailableError(f"{self.name} cannot be asked: {error}") from error


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
