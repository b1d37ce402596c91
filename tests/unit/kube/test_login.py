from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ConfigError, MissingKubeconfigError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.login import login


def kubeconfig(user: dict[str, Any], server: str = "http://10.0.0.1:8080") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "staging",
        "contexts": [{"name": "staging", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "K8S_AUTH_KUBECONFIG", "K8S_AUTH_CONTEXT", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_token_of_a_kubeconfig() -> None:
    found = login({"kubeconfig": kubeconfig({"token": "abc"})})
    assert found.headers["authorization"] == "Bearer abc"
    assert (found.server, found.address) == ("http://10.0.0.1:8080", "10.0.0.1:8080")
    assert "abc" not in repr(found)


def test_an_empty_context_is_the_current_one() -> None:
    assert login({"kubeconfig": kubeconfig({"token": "abc"}), "context": ""}).address == "10.0.0.1:8080"


def test_options_win_over_the_kubeconfig() -> None:
    found = login({"kubeconfig": kubeconfig({"token": "abc"}), "host": "http://other:1/", "api_key": "def"})
    assert (found.server, found.headers["authorization"]) == ("http://other:1", "Bearer def")


def test_host_and_password_need_no_kubeconfig() -> None:
    found = login({"host": "http://other:1", "username": "me", "password": "pw"})
    assert found.headers["authorization"].startswith("Basic ")


def test_environment_of_kubernetes_core(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(kubeconfig({"token": "abc"})))
    monkeypatch.setenv("K8S_AUTH_KUBECONFIG", str(path))
    assert login({}).headers["authorization"] == "Bearer abc"


def test_login_command() -> None:
    credential = (
        '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "abc"}}'
    )
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": "echo", "args": [credential]}
    assert login({"kubeconfig": kubeconfig({"exec": command})}).headers["authorization"] == "Bearer abc"


@pytest.mark.parametrize("command", ["false", "/does/not/exist"])
def test_a_login_command_that_fails(command: str) -> None:
    spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": command}
    with pytest.raises(ConfigError, match="The login command of the given kubeconfig failed"):
        login({"kubeconfig": kubeconfig({"exec": spec})})


def test_a_context_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match='no context "production" in the given kubeconfig; it has: staging'):
        login({"kubeconfig": kubeconfig({}), "context": "production"})


def test_no_current_context(tmp_path: Path) -> None:
    config = kubeconfig({})
    del config["current-context"]
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match=r"No context is current in .*: set cluster_context to one of staging"):
        login({"kubeconfig": str(path)})


@pytest.mark.parametrize("text", ["", "a: [", "[]", "just text"])
def test_a_file_that_is_no_kubeconfig(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigError, match="cannot be read as a kubeconfig"):
        login({"kubeconfig": str(path)})


def test_a_missing_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(MissingKubeconfigError, match=r"/nowhere does not exist: create the cluster first"):
        login({"kubeconfig": str(tmp_path / "nowhere")})
    with pytest.raises(MissingKubeconfigError, match=r"\.kube/config does not exist"):
        login({})


def test_certificates_that_are_none() -> None:
    config = kubeconfig({}, server="https://10.0.0.1")
    config["clusters"][0]["cluster"]["certificate-authority-data"] = "bm90IGEgY2VydGlmaWNhdGU="
    with pytest.raises(ConfigError, match="The certificates of the given kubeconfig cannot be used"):
        login({"kubeconfig": config})
