"""The few requests that bringing a cluster up needs, without a client library: it starts in 50 ms."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any
from urllib.parse import quote

from .config import Paths
from .run import Failure

FIELD_MANAGER = "embedkube"

# Plural names and scope of what the manifests contain.
KINDS: dict[str, tuple[str, bool]] = {
    "APIService": ("apiservices", False),
    "ClusterRole": ("clusterroles", False),
    "ClusterRoleBinding": ("clusterrolebindings", False),
    "ConfigMap": ("configmaps", True),
    "Deployment": ("deployments", True),
    "Namespace": ("namespaces", False),
    "NetworkPolicy": ("networkpolicies", True),
    "Node": ("nodes", False),
    "PersistentVolumeClaim": ("persistentvolumeclaims", True),
    "Role": ("roles", True),
    "RoleBinding": ("rolebindings", True),
    "Secret": ("secrets", True),
    "Service": ("services", True),
    "ServiceAccount": ("serviceaccounts", True),
    "StorageClass": ("storageclasses", False),
}


class UnreachableError(Failure):
    """The API server does not answer (yet)."""


def path_of(manifest: dict[str, Any]) -> str:
    plural, namespaced = KINDS[manifest["kind"]]
    version = manifest["apiVersion"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    space = f"/namespaces/{manifest['metadata']['namespace']}" if namespaced else ""
    return f"{base}{space}/{plural}/{quote(manifest['metadata']['name'])}"


class KubeApi:
    def __init__(self, paths: Paths, port: int, timeout: float = 10) -> None:
        context = ssl.create_default_context(cafile=str(paths.pki / "ca.crt"))
        context.load_cert_chain(str(paths.pki / "admin.crt"), str(paths.pki / "admin.key"))
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context)

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> tuple[int, str]:
        headers = {"Content-Type": content_type} if body is not None else {}
        text = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, text, headers)
            response = self._connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise UnreachableError(f"The API server did not answer {method} {path}: {error}.") from error

    def is_ready(self) -> bool:
        try:
            return self.request("GET", "/readyz")[0] == 200
        except UnreachableError:
            return False

    def get(self, path: str) -> Any:
        """The object at `path`; an empty dict when there is none."""
        status, text = self.request("GET", path)
        if status == 404:
            return {}
        if status != 200:
            raise UnreachableError(f"GET {path} was answered {status}: {text[:300]}")
        return json.loads(text)

    def delete(self, path: str) -> None:
        status, text = self.request("DELETE", path)
        if status not in (200, 202, 404):
            raise Failure(f"DELETE {path} was answered {status}: {text[:300]}")

    def apply(self, manifest: dict[str, Any]) -> bool:
        """Server-side apply; whether anything changed is what the resource version says."""
        path = path_of(manifest)
        before = self.get(path).get("metadata", {}).get("resourceVersion")
        status, text = self.request(
            "PATCH",
            f"{path}?fieldManager={FIELD_MANAGER}&force=true",
            manifest,
            "application/apply-patch+yaml",
        )
        if status not in (200, 201):
            message = json.loads(text).get("message", text) if text.startswith("{") else text
            raise Failure(f"{manifest['kind']} {manifest['metadata']['name']} was refused ({status}): {message}")
        return bool(json.loads(text)["metadata"]["resourceVersion"] != before)
