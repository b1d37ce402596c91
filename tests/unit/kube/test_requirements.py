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


def rule(verbs: list[str], groups: list[str], resources: list[str], **more: list[str]) -> dict[str, list[str]]:
    return {"verbs": verbs, "apiGroups": groups, "resources": resources, **more}


def test_a_rule_covers_what_it_names_and_no_more() -> None:
    right = requirements.Right("patch", "apps", "deployments")
    assert requirements.covers([rule(["*"], ["*"], ["*"])], right)
    assert requirements.covers([rule(["get", "patch"], ["", "apps"], ["deployments"])], right)
    for other in (
        rule(["get"], ["apps"], ["deployments"]),
        rule(["patch"], [""], ["deployments"]),
        rule(["patch"], ["apps"], ["deployments/scale"]),
        rule(["patch"], ["apps"], ["deployments"], resourceNames=["one"]),
    ):
        assert not requirements.covers([other], right)


def test_subresources() -> None:
    right = requirements.Right("get", "", "pods/log")
    assert requirements.covers([rule(["get"], [""], ["pods/log"])], right)
    assert requirements.covers([rule(["get"], [""], ["*/log"])], right)
    assert not requirements.covers([rule(["get"], [""], ["pods"])], right)


def test_all_missing_rights_are_named_at_once() -> None:
    missing = [right for right in requirements.NEEDED_RIGHTS if right.resource in ("secrets", "statefulsets", "pods")]
    assert requirements.check_rights(missing, "hustlex") == [
        "The user of this kubeconfig lacks rights in namespace hustlex that a deploy needs: ask for a role that allows"
        " get, list, create, patch on secrets, statefulsets.apps; list on pods."
    ]
    assert requirements.check_rights([], "hustlex") == []


def test_the_check_of_the_cluster_names_what_a_release_will_ask_for() -> None:
    assert set(requirements.RELEASE_RIGHTS) <= set(requirements.NEEDED_RIGHTS)
    (sentence,) = requirements.check_rights(requirements.missing(requirements.NEEDED_RIGHTS, [], nobody), "hustlex")
    for words in ("get, create, patch on leases.coordination.k8s.io", "get on pods/log, services/proxy"):
        assert words in sentence


def test_no_right_is_asked_for_twice() -> None:
    rights = [*requirements.NEEDED_RIGHTS, *requirements.HELPFUL_RIGHTS]
    assert len(rights) == len(set(rights))


def nobody(_right: requirements.Right) -> bool:
    return False


def test_what_explains_failures_is_named_apart() -> None:
    assert requirements.check_helpful_rights(requirements.HELPFUL_RIGHTS, "hustlex") == [
        "The user of this kubeconfig lacks list on events, persistentvolumeclaims, replicasets.apps in namespace hustlex:"
        " failures are told without them."
    ]
    assert requirements.check_helpful_rights([], "hustlex") == []


def test_metrics() -> None:
    assert requirements.check_metrics(True) == []
    (sentence,) = requirements.check_metrics(False)
    assert "no resource metrics (metrics.k8s.io)" in sentence
    assert "cluster_require_metrics" in sentence
