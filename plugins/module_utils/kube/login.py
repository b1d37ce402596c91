# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logs in as the kubernetes.core modules do, and gives one pool of kept-alive connections for plain requests."""

from __future__ import annotations

import logging
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
import yaml
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import _create_auth_spec
from kubernetes import client, config
from kubernetes.client.rest import RESTClientObject
from urllib3.util.ssl_ import create_urllib3_context

from .errors import ConfigError, MissingKubeconfigError

CONNECT_SECONDS = 5
READ_SECONDS = 60
_UNUSABLE = (config.ConfigException, yaml.YAMLError, OSError, KeyError, TypeError, ValueError)
_CERTIFICATE_OPTIONS = ("ca_certs", "ca_cert_data", "cert_file", "key_file", "cert_reqs")


@dataclass(frozen=True)
class Login:
    """Where to send requests, over which connections and with which headers."""

    server: str
    pool: urllib3.PoolManager
    headers: Mapping[str, str] = field(repr=False)
    context: str = ""

    @property
    def address(self) -> str:
        """host:port, for sentences."""
        parts = urlsplit(self.server)
        return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def login(options: Mapping[str, Any]) -> Login:
    """Log in with the options of the kubernetes.core modules or their K8S_AUTH_* variables.

    Raises MissingKubeconfigError, or ConfigError for whatever else makes a login impossible.
    """
    auth = auth_spec(options)
    # The library writes keys to files, and its own cleaning up does not happen in Ansible's forked workers.
    with tempfile.TemporaryDirectory(prefix="hustlex-") as folder:
        settings = _settings(auth, folder)
        try:
            return Login(settings.host, _pool(settings), _headers(settings), auth.get("context") or "")
        except (ssl.SSLError, OSError, ValueError) as error:
            raise ConfigError(f"The certificates of {_source(auth)} cannot be used: {error}.") from error


def auth_spec(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options of the kubernetes.core modules, completed from their K8S_AUTH_* variables."""
    found: Mapping[str, Any] = _create_auth_spec(**options)
    return found


def _settings(auth: Mapping[str, Any], folder: str) -> client.Configuration:
    settings = client.Configuration()
    has_credentials = auth.get("api_key") or auth.get("cert_file") or (auth.get("username") and auth.get("password"))
    if not (auth.get("host") and has_credentials):
        _load(settings, auth, folder)
    given = {name: value for name, value in auth.items() if value not in (None, {}) and hasattr(settings, name)}
    if "host" in given:
        given["host"] = given["host"].rstrip("/")
    if "api_key" in given:
        given["api_key"] = {"authorization": f"Bearer {given['api_key']}"}
    if "proxy_headers" in given:
        given["proxy_headers"] = urllib3.make_headers(**given["proxy_headers"])
    for name, value in given.items():
        setattr(settings, name, value)
    return settings


def _load(settings: client.Configuration, auth: Mapping[str, Any], folder: str) -> None:
    source, context = auth.get("kubeconfig"), auth.get("context") or None
    try:
        with _login_command_errors() as complaints:
            if isinstance(source, Mapping):
                config.load_kube_config_from_dict(
                    dict(source), context, client_configuration=settings, temp_file_path=folder
                )
            elif not source and not context and _is_in_cluster():
                config.load_incluster_config(client_configuration=settings)
            else:
                require_file(auth)
                config.load_kube_config(
                    source,
                    context,
                    client_configuration=settings,
                    persist_config=bool(auth.get("persist_config")),
                    temp_file_path=folder,
                )
    except _UNUSABLE as error:
        raise ConfigError(_problem(auth, error)) from error
    if complaints:
        raise ConfigError(f"The login command of {_source(auth)} failed: {complaints[0].rstrip('.')}.")


@contextmanager
def _login_command_errors() -> Iterator[list[str]]:
    """The library only logs that a login command failed, and goes on without credentials."""
    complaints: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            complaints.append(record.getMessage())

    collector = Collector(logging.ERROR)
    logging.getLogger().addHandler(collector)
    try:
        yield complaints
    finally:
        logging.getLogger().removeHandler(collector)


def _is_in_cluster() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and Path(config.incluster_config.SERVICE_TOKEN_FILENAME).exists()


def kubeconfig_paths(auth: Mapping[str, Any]) -> list[Path]:
    """The files that a login with these options reads, whether they exist or not."""
    places = auth.get("kubeconfig") or os.environ.get("KUBECONFIG") or "~/.kube/config"
    return [Path(place).expanduser() for place in str(places).split(os.pathsep)]


def require_file(auth: Mapping[str, Any]) -> None:
    """Raise MissingKubeconfigError when none of the files exists."""
    paths = kubeconfig_paths(auth)
    if not any(path.exists() for path in paths):
        raise MissingKubeconfigError(
            f"The kubeconfig {paths[0]} does not exist: create the cluster first (--tags cluster)"
            " or set cluster_kubeconfig."
        )


def _source(auth: Mapping[str, Any]) -> str:
    if isinstance(auth.get("kubeconfig"), Mapping):
        return "the given kubeconfig"
    return f"the kubeconfig {kubeconfig_paths(auth)[0]}"


def _problem(auth: Mapping[str, Any], error: Exception) -> str:
    """What is wrong with a kubeconfig; names its contexts where another one would help."""
    source = _source(auth)
    try:
        contents = auth.get("kubeconfig")
        loaded = (
            contents if isinstance(contents, Mapping) else yaml.safe_load(kubeconfig_paths(auth)[0].read_text("utf-8"))
        )
        known = sorted(entry["name"] for entry in loaded["contexts"])
        wanted = auth.get("context") or loaded.get("current-context")
    except _UNUSABLE:
        return f"{source[0].upper()}{source[1:]} cannot be read as a kubeconfig."
    if not wanted:
        return f"No context is current in {source}: set cluster_context to one of {', '.join(known)}."
    if wanted not in known:
        return f'There is no context "{wanted}" in {source}; it has: {", ".join(known) or "none"}.'
    return f'The context "{wanted}" of {source} cannot be used: {str(error).rstrip(".")}.'


def _pool(settings: client.Configuration) -> urllib3.PoolManager:
    """The library's pool, proxies and all, with the certificates read now instead of at each connection."""
    pool: urllib3.PoolManager = RESTClientObject(settings).pool_manager
    if settings.host.startswith("https:"):
        tls = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if settings.verify_ssl else ssl.CERT_NONE)
        if settings.ssl_ca_cert or settings.ca_cert_data:
            tls.load_verify_locations(cafile=settings.ssl_ca_cert, cadata=settings.ca_cert_data)
        elif settings.verify_ssl:
            tls.load_default_certs()
        if settings.cert_file:
            tls.load_cert_chain(settings.cert_file, settings.key_file)
        for name in _CERTIFICATE_OPTIONS:
            pool.connection_pool_kw.pop(name, None)
        pool.connection_pool_kw["ssl_context"] = tls
    pool.connection_pool_kw["timeout"] = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    return pool


def _headers(settings: client.Configuration) -> dict[str, str]:
    headers = {"accept": "application/json", "user-agent": "hustlex.platform"}
    if settings.username and settings.password:
        headers.update(urllib3.make_headers(basic_auth=f"{settings.username}:{settings.password}"))
    for setting in settings.auth_settings().values():
        if setting["in"] == "header" and setting["value"]:
            headers[setting["key"]] = setting["value"]
    return headers
