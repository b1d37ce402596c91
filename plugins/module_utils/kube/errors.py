# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can go wrong between us and a cluster. Every message is one sentence for the person at the terminal."""

from __future__ import annotations

from typing import Any


class KubeError(Exception):
    """Something that a person must mend; the text says what happened, to what, and what to do."""


class ManifestError(KubeError):
    """A manifest is wrong before any request was made."""


class ConfigError(KubeError):
    """The kubeconfig or the login options cannot be used."""


class MissingKubeconfigError(ConfigError):
    """The kubeconfig file does not exist (yet)."""


class UnreachableError(KubeError):
    """No answer from the API server."""


class ApiError(KubeError):
    """The API server refused a request.

    status: HTTP status; reason and details: those of the Status object that Kubernetes answers with.
    """

    def __init__(self, message: str, status: int, reason: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.details = details or {}

    @property
    def causes(self) -> list[dict[str, Any]]:
        return list(self.details.get("causes") or [])


class NotServedError(ApiError):
    """The cluster does not serve this kind or version."""
