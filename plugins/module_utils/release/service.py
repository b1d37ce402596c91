# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the application says of itself through its Service, asked through the API server."""

from __future__ import annotations

from typing import Any

from ..kube.client import Client
from ..kube.connection import Connection
from ..kube.errors import KubeError
from ..text.json_object import decoded


def service_health(client: Client | Connection, namespace: str, service: str, path: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON of a GET; status 0 when nothing answered, an empty JSON when it is none."""
    try:
        status, body = client.ask(f"/api/v1/namespaces/{namespace}/services/{service}/proxy{path}")
    except KubeError:
        return 0, {}
    return status, decoded(body)


def database_health(client: Client, namespace: str) -> dict[str, Any]:
    """What the running API says of its database (docs/application.md, Paths); empty when it says nothing."""
    _status, health = service_health(client, namespace, "hustlex-api:http", "/api/v1/health")
    found = health.get("database")
    return found if isinstance(found, dict) else {}
