# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster that a task's login options name."""

from __future__ import annotations

from typing import Any

from ..module_utils.kube.client import Client
from ..module_utils.kube.login import login
from .options import auth_options


def connect(arguments: dict[str, Any]) -> Client:
    """A client with a login of its own; raises ConfigError where the options of a task's validated arguments make none."""
    return Client(login(auth_options(arguments)))
