import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube import requirements


@pytest.mark.parametrize(
    ("text", "version"), [("v1.36.3", (1, 36)), ("1.30+", (1, 30)), ("v1.29.4-eks-036c24b", (1, 29))]
)
def test_version_of_every_vendor_is_read(text: str, version: tuple[int, int]) -> None:
    assert requirements.parse_version(text) == version


def test_text_without_version_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a version"):
        requirements.parse_version("latest")


def test_old_version_is_one_sentence() -> None:
    assert requirements.check_version("v1.30.0", "1.30") == []
    assert requirements.check_version("v1.9.7", "1.30") == [
        "The cluster runs Kubernetes v1.9.7, which is too old: 1.30 or newer is needed."
    ]


def storage_class(name: str, default: str | None) -> dict:
    annotations = {requirements.DEFAULT_CLASS: default} if default else None
    return {"metadata": {"name": name, "annotations": annotations}}


def test_default_storage_class() -> None:
    assert requirements.check_storage([storage_class("slow", None), storage_class("gp3", "true")]) == []
    (sentence,) = requirements.check_storage([storage_class("slow", "false")])
    assert "no default StorageClass (it has: slow)" in sentence
    (sentence,) = requirements.check_storage([])
    assert "none at all" in sentence


def node(ready: str, unschedulable: bool = False) -> dict:
    return {"spec": {"unschedulable": unschedulable}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


def test_a_node_must_take_pods() -> None:
    assert requirements.check_nodes([node("False"), node("True")]) == []
    assert requirements.check_nodes([node("Unknown"), node("True", unschedulable=True)]) != []
    assert requirements.check_nodes([]) != []


def test_all_missing_rights_are_named_at_once() -> None:
    allowed = {right: right[1] not in ("secrets", "statefulsets") for right in requirements.NEEDED_RIGHTS}
    (sentence,) = requirements.check_rights(allowed, "hustlex")
    assert "secrets, statefulsets.apps in namespace hustlex" in sentence
    assert requirements.check_rights(dict.fromkeys(requirements.NEEDED_RIGHTS, True), "hustlex") == []
