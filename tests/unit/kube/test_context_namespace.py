from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.hustlex.platform.plugins.module_utils.kube.context_namespace import (
    ContextError,
    file_of_context,
    replace_file,
    with_namespace,
)


@pytest.fixture
def kubeconfig() -> dict[str, Any]:
    contexts = [{"name": name, "context": {"cluster": name, "user": name}} for name in ("kind", "prod")]
    return {"current-context": "kind", "contexts": contexts}


def write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(content))
    return path


def test_named_context_takes_the_namespace_and_no_other(kubeconfig: dict[str, Any]) -> None:
    after, changed = with_namespace(kubeconfig, "prod", "hustlex")
    assert changed
    assert [item["context"].get("namespace") for item in after["contexts"]] == [None, "hustlex"]
    assert with_namespace(after, "prod", "hustlex") == (after, False)


def test_empty_context_is_the_current_one(tmp_path: Path, kubeconfig: dict[str, Any]) -> None:
    path = write(tmp_path / "config", kubeconfig)
    assert file_of_context([path], "") == (path, kubeconfig, "kind")


def test_of_several_files_the_one_with_the_context_is_taken(tmp_path: Path, kubeconfig: dict[str, Any]) -> None:
    first = write(tmp_path / "first", {"current-context": "prod", "contexts": []})
    second = write(tmp_path / "second", kubeconfig)
    assert file_of_context([tmp_path / "absent", first, second], "") == (second, kubeconfig, "prod")


def test_unknown_context_names_the_known_ones(tmp_path: Path, kubeconfig: dict[str, Any]) -> None:
    path = write(tmp_path / "config", kubeconfig)
    with pytest.raises(ContextError, match=r'no context "staging" in .*; it has: kind, prod'):
        file_of_context([path], "staging")


def test_no_current_context_names_the_known_ones(tmp_path: Path, kubeconfig: dict[str, Any]) -> None:
    del kubeconfig["current-context"]
    path = write(tmp_path / "config", kubeconfig)
    with pytest.raises(ContextError, match=r"No context is current in .*: set cluster_context to one of kind, prod"):
        file_of_context([path], "")


@pytest.mark.parametrize("text", ["a: [", "just text"])
def test_a_file_that_is_no_kubeconfig(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ContextError, match="cannot be read as a kubeconfig"):
        file_of_context([path], "")


def test_file_is_replaced_and_stays_private(tmp_path: Path, kubeconfig: dict[str, Any]) -> None:
    path = tmp_path / "config"
    path.write_text("{}")
    replace_file(path, kubeconfig)
    assert yaml.safe_load(path.read_text()) == kubeconfig
    assert path.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [path]
