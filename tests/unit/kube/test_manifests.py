import base64
from textwrap import dedent
from typing import Any

import pytest
import yaml
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ManifestError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.manifests import Manifest, dump, load, prepare


def prepared(text: str) -> list[Manifest]:
    return prepare(load([("a.yaml.j2", dedent(text))]), "demo", "hustlex")


def test_documents_lists_and_empty_documents() -> None:
    text = """
    ---
    # nothing
    ---
    {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
    ---
    apiVersion: v1
    kind: List
    items: [{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}]
    """
    assert [item["metadata"]["name"] for item in prepared(text)] == ["a", "b"]


def test_namespace_and_labels_are_filled_in() -> None:
    config, role = prepared("""
    {apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {app: a}}}
    ---
    {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}}
    """)
    stamp = {"app.kubernetes.io/part-of": "hustlex", "app.kubernetes.io/managed-by": "hustlex.platform"}
    assert config["metadata"] == {
        "name": "a",
        "namespace": "hustlex",
        "labels": {"app": "a", **stamp, "hustlex.app/set": "demo"},
    }
    assert "namespace" not in role["metadata"]
    assert role["metadata"]["labels"]["hustlex.app/set-namespace"] == "hustlex"


def test_order_of_applying() -> None:
    kinds = ["Widget", "Deployment", "Service", "ConfigMap", "Secret", "Job", "ServiceAccount", "Namespace"]
    text = "\n---\n".join(f"{{apiVersion: v1, kind: {kind}, metadata: {{name: a}}}}" for kind in kinds)
    expected = ["Namespace", "ServiceAccount", "Secret", "ConfigMap", "Service", "Deployment", "Job", "Widget"]
    assert [item["kind"] for item in prepared(text)] == expected


def test_string_data_is_encoded() -> None:
    (secret,) = prepared("{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {K: v}, data: {L: dw==}}")
    assert secret["data"] == {"K": base64.b64encode(b"v").decode(), "L": "dw=="}
    assert "stringData" not in secret


def test_dates_stay_text() -> None:
    (config,) = prepared("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {day: 2026-01-02}}")
    assert config["data"] == {"day": "2026-01-02"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{apiVersion: v1, kind: ConfigMap, metadata: {}}", "ConfigMap has no metadata.name"),
        ("{apiVersion: v1, metadata: {name: a}}", "an object has no kind"),
        ("{kind: ConfigMap, metadata: {name: a}}", "ConfigMap has no apiVersion"),
        ("[1]", "holds a list where a Kubernetes object belongs"),
        ("a: [", "is not valid YAML at line"),
        ("a: 1\na: 2", 'the key "a" is there twice'),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a b}}", 'the name "a b"'),
        ("{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {K: ''}}", 'an empty value for "K"'),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {PORT: 8080}}", 'for "PORT" that is not text'),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, annotations: {x: yes}}}",
            'metadata.annotations a value for "x" that is not text',
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n"
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}",
            "ConfigMap a is defined twice: in a.yaml.j2 and in a.yaml.j2",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(ManifestError) as caught:
        prepared(text)
    assert words in str(caught.value)
    assert "a.yaml.j2" in str(caught.value)
    assert str(caught.value).endswith(".")


def test_the_same_name_in_another_namespace_or_kind_is_another_object() -> None:
    text = """
    {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
    ---
    {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: other}}
    ---
    {apiVersion: v1, kind: Secret, metadata: {name: a}}
    """
    assert len(prepared(text)) == 3


def test_dump_reads_back_and_keeps_lines() -> None:
    manifest: dict[str, Any] = {"kind": "ConfigMap", "data": {"script": "one\ntwo\n", "flag": "yes"}}
    text = dump(manifest)
    assert "script: |\n    one\n    two\n" in text
    assert yaml.safe_load(text) == manifest
