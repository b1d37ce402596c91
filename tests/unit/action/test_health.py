"""Where the health of a release is asked for."""

from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.action.health import _places
from ansible_collections.hustlex.platform.plugins.module_utils.kube.client import Client
from ansible_collections.hustlex.platform.plugins.module_utils.kube.connection import Connection
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ConfigError

ARGUMENTS: dict[str, Any] = {
    "namespace": "hustlex",
    "service": "",
    "url": "",
    "path": "/api/v1/health",
    "paths": ["/livez"],
}


def connect() -> Client:
    raise ConfigError("The login command failed.")


def test_a_login_that_cannot_work_is_no_lack_of_health() -> None:
    with pytest.raises(ConfigError):
        _places(Connection(connect), {**ARGUMENTS, "service": "hustlex-api:http"})


def test_outside_needs_no_login() -> None:
    place, path = _places(Connection(connect), {**ARGUMENTS, "url": "https://x.example/"})
    assert place.words == "https://x.example/api/v1/health"
    assert (path.words, path.is_health) == ("https://x.example/livez", False)
