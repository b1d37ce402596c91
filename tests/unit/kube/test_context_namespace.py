from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.hustlex.platform.plugins.module_utils.kube.context_namespace import (
    ContextError,
    replace_file,
    with_namespace,
)


@pytest.fixture
def kubeconfig() -> dict[str, Any]:
    contexts = [{"name": name, "context": {"cluster": name, "user": name}} for name in ("kind", "prod")]
    return {"current-context": "kind", "contexts": contexts}


def test_named_context_takes_the_namespace_and_no_other(kubeconfig: dict[str, Any]) -> None:
    after, changed = with_namespace(kubeconfig, "prod", "hustlex")
    assert changed
    assert [item["context"].get("namespace") for item in after["contexts"]] == [None, "hustlex"]
    assert with_namespace(after, "prod", "hustlex") == (after, False)


def test_empty_context_is_the_current_one(kubeconfig: dict[str, Any]) -> None:
    after, _changed = with_namespace(kubeconfig, "", "hustlex")
    assert after["contexts"][0]["context"]["namespace"] == "hustlex"


def test_unknown_context_names_the_known_ones(kubeconfig: dict[str, Any]) -> None:
    with pytest.raises(ContextError, match='no context "staging"; it has: kind, prod'):
        with_namespace(kubeconfig, "staging", "hustlex")


def test_file_is_replaced_and_stays_private(tmp_path: Path, kubeconfig: dict[str, Any]) -> None:
    path = tmp_path / "config"
    path.write_text("{}")
    replace_file(path, kubeconfig)
    assert yaml.safe_load(path.read_text()) == kubeconfig
    assert path.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [path]
