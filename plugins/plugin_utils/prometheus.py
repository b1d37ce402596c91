# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Prometheus that a task's options name, and the Alertmanager beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..module_utils.kube.client import Client
from ..module_utils.prometheus.address import Address
from ..module_utils.prometheus.alertmanager import Alertmanager
from ..module_utils.prometheus.client import Prometheus, ServiceProxy
from ..module_utils.prometheus.errors import SettingsError
from .connect import connect

# Options of what asks those that role monitoring runs.
SERVICES: dict[str, Any] = {
    "prometheus": {"type": "str", "default": "prometheus:9090"},
    "alertmanager": {"type": "str", "default": "alertmanager:9093"},
}


@dataclass(frozen=True)
class Whereabouts:
    """url: its address, with the files of a bearer token and of trusted certificates; or service: `name:port` in a namespace."""

    url: str
    service: str
    bearer_token_file: str
    ca_file: str

    def prometheus(self, connect: Callable[[], Client], namespace: str) -> Prometheus:
        """Raises SettingsError unless exactly one way is given, and given well."""
        if bool(self.url) == bool(self.service):
            raise SettingsError("Give either url or service: where Prometheus is.")
        if self.url:
            return Prometheus(Address(self.url, self.bearer_token_file, self.ca_file))
        if self.bearer_token_file or self.ca_file:
            raise SettingsError(
                "bearer_token_file and ca_file go with url; a service is reached with the cluster's login."
            )
        return Prometheus(ServiceProxy(connect, namespace, self.service))


def services(arguments: dict[str, Any]) -> tuple[Prometheus, Alertmanager]:
    """Both by their Services, neither asked yet; raises SettingsError for a name that is none."""
    to_cluster, namespace = partial(connect, arguments), arguments["namespace"]
    prometheus = ServiceProxy(to_cluster, namespace, arguments["prometheus"])
    alertmanager = ServiceProxy(to_cluster, namespace, arguments["alertmanager"], what="Alertmanager")
    return Prometheus(prometheus), Alertmanager(alertmanager)
