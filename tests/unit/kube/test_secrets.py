"""Secrets never appear: in diffs, rendered files and evidence."""

import base64
import json
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.hustlex.platform.plugins.module_utils.kube.compare import covers, diff, same_content
from ansible_collections.hustlex.platform.plugins.module_utils.kube.manifests import SET_LABEL
from ansible_collections.hustlex.platform.plugins.module_utils.kube.mask import Masker
from ansible_collections.hustlex.platform.plugins.plugin_utils.render_dir import write_set


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(**data: str) -> dict[str, Any]:
    metadata = {"name": "s", "namespace": "hustlex", "labels": {SET_LABEL: "demo"}}
    values = {key: encoded(value) for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": values}


def test_diff_marks_what_changes_and_shows_no_value() -> None:
    shown = diff(secret(A="first-value", B="same-value"), secret(A="second-value", B="same-value", C="new-value"))
    assert yaml.safe_load(shown["before"])["data"] == {"A": "***", "B": "***"}
    assert yaml.safe_load(shown["after"])["data"] == {"A": "*** (changed)", "B": "***", "C": "***"}


def test_diff_leaves_out_what_kubectl_wrote_down() -> None:
    before = secret(A="first-value")
    before["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "first-value"}
    assert "first-value" not in str(diff(before, secret(A="first-value")))


def test_text_is_masked_in_every_form_of_a_value() -> None:
    clean = Masker.of_secrets([secret(A="p@ss word/1", KEY="line one of it\nline two of it", SHORT="app")])
    text = f"dsn p@ss word/1, {encoded('p@ss word/1')}, p%40ss%20word%2F1; line two of it; app stays"
    assert clean.text(text) == "dsn ***, ***, ***; ***; app stays"
    assert Masker.of_secrets([secret(A='pass"wörd\n')]).text(json.dumps({"dsn": 'pass"wörd'})) == '{"dsn": "***"}'


def test_a_longer_value_is_masked_before_one_that_it_contains() -> None:
    assert Masker(["secret", "secret-longer"]).text("secret-longer secret") == "*** ***"


def test_rendered_secrets_are_masked_and_stale_files_go(tmp_path: Path) -> None:
    foreign = tmp_path / "demo" / "notes.yaml"
    foreign.parent.mkdir()
    foreign.write_text("mine: 1\n")
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "labels": {SET_LABEL: "demo"}}}
    assert len(write_set(tmp_path, "demo", [secret(A="first-value"), config], dry_run=False)) == 2
    text = (tmp_path / "demo" / "secret-s.yaml").read_text()
    assert yaml.safe_load(text)["stringData"] == {"A": "***"}
    assert write_set(tmp_path, "demo", [secret(A="other-value"), config], dry_run=False) == []
    assert write_set(tmp_path, "demo", [config], dry_run=True) == [tmp_path / "demo" / "secret-s.yaml"]
    assert (tmp_path / "demo" / "secret-s.yaml").exists()
    write_set(tmp_path, "demo", [config], dry_run=False)
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == ["configmap-c.yaml", "notes.yaml"]


def test_bookkeeping_is_no_change() -> None:
    before, after = secret(A="1"), secret(A="1")
    before["metadata"] |= {"resourceVersion": "1", "generation": 1, "managedFields": [1]}
    after["metadata"] |= {"resourceVersion": "2", "generation": 2, "managedFields": [2]}
    assert same_content(before, after)
    after["metadata"]["resourceVersion"] = "1"
    after["data"]["A"] = encoded("2")
    assert not same_content(before, after), "a dry run keeps the resourceVersion"


def test_covers() -> None:
    live = {"a": 1, "b": [{"name": "x", "more": True}], "c": "500m"}
    assert covers(live, {"a": 1, "b": [{"name": "x"}], "absent": None})
    assert not covers(live, {"b": []})
    assert not covers(live, {"b": [{"name": "y"}]})
    assert not covers(live, {"c": "0.5"})
    assert not covers({"a": 1}, {"a": True})
    assert not covers(None, {"a": {}})
