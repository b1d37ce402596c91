"""What is written to have so many pods, and what speaks against it."""

from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import KubeError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.scale import Cluster, Step, Terms, Wish, plan

FILE = "inventories/production/group_vars/all/app.yml"
TERMS = Terms("production", "", FILE)
CONFIRMED = Terms("production", "production", FILE)


def deployment(name: str, replicas: int | None, running: int = 0) -> dict[str, Any]:
    container = {"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}}}
    return {
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"template": {"spec": {"containers": [container]}}}
        | ({"replicas": replicas} if replicas is not None else {}),
        "status": {"replicas": running},
    }


def autoscaler(name: str, least: int | None, most: int) -> dict[str, Any]:
    spec: dict[str, Any] = {"scaleTargetRef": {"kind": "Deployment", "name": name}, "maxReplicas": most}
    if least is not None:
        spec["minReplicas"] = least
    return {"kind": "HorizontalPodAutoscaler", "metadata": {"name": f"{name}-hpa"}, "spec": spec}


def quota(**hard_and_used: tuple[str, str]) -> dict[str, Any]:
    names = {name.replace("_", "."): values for name, values in hard_and_used.items()}
    hard = {name: values[0] for name, values in names.items()}
    used = {name: values[1] for name, values in names.items()}
    return {"metadata": {"name": "hustlex"}, "spec": {"hard": hard}, "status": {"hard": hard, "used": used}}


def cluster(*quotas: dict[str, Any], api: int | None = 3, least: int | None = 3) -> Cluster:
    deployments = {
        "hustlex-api": deployment("hustlex-api", api, api or 0),
        "hustlex-worker": deployment("hustlex-worker", 2, 2),
    }
    return Cluster("hustlex", deployments, [autoscaler("other", 1, 2), autoscaler("hustlex-api", least, 20)], quotas)


def api(replicas: object) -> Wish:
    return Wish("hustlex-api", replicas, 3, "app_hpa_min_replicas", "app_hpa_max_replicas", "api")


def worker(replicas: object) -> Wish:
    return Wish("hustlex-worker", replicas, 2, "app_worker_replicas", "", "worker")


def planned(step: Step) -> tuple[str, str, int, int]:
    return step.target["kind"], step.spec_field, step.before, step.after


def test_the_autoscaler_where_there_is_one_and_the_deployment_where_not() -> None:
    steps = plan([api("5"), worker(3)], cluster(), TERMS)
    assert [planned(step) for step in steps] == [
        ("HorizontalPodAutoscaler", "minReplicas", 3, 5),
        ("Deployment", "replicas", 2, 3),
    ]
    assert [step.words() for step in steps] == [
        "hustlex-api: at least 5 pods (minReplicas of HorizontalPodAutoscaler hustlex-api-hpa, before: 3)",
        "hustlex-worker: 3 pods (replicas of Deployment hustlex-worker, before: 2)",
    ]
    assert steps[0].change == {"spec": {"minReplicas": 5}}
    assert steps[0].note(TERMS) == (
        "The next deploy brings hustlex-api back to 3: to keep 5, put app_hpa_min_replicas: 5 into"
        " inventories/production/group_vars/all/app.yml."
    )


def test_what_is_so_already() -> None:
    [step] = plan([api(3), worker("")], cluster(), TERMS)
    assert planned(step) == ("HorizontalPodAutoscaler", "minReplicas", 3, 3)
    assert step.words().endswith("hustlex-api-hpa, as before)")
    assert step.note(TERMS) == "", "the next deploy changes nothing"


def test_numbers_that_kubernetes_leaves_out_are_one() -> None:
    [step] = plan([api(3)], cluster(least=None, api=None), TERMS)
    assert planned(step) == ("HorizontalPodAutoscaler", "minReplicas", 1, 3)


def test_an_autoscaler_leaves_a_deployment_of_no_pods_alone() -> None:
    steps = plan([api(4)], cluster(api=0), TERMS)
    assert [planned(step) for step in steps] == [
        ("HorizontalPodAutoscaler", "minReplicas", 3, 4),
        ("Deployment", "replicas", 0, 4),
    ]


def test_below_the_inventory_with_confirmation() -> None:
    [step] = plan([worker(1)], cluster(), CONFIRMED)
    assert planned(step) == ("Deployment", "replicas", 2, 1)
    assert step.words().startswith("hustlex-worker: 1 pod (")


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (
            worker(1),
            "1 is below the 2 pods that production keeps of hustlex-worker (app_worker_replicas): if that is what you"
            " want, add -e confirm=production.",
        ),
        (worker(0), "hustlex-worker cannot have 0 pods: it must go on running, so that the fewest is 1."),
        (worker("-3"), "hustlex-worker cannot have -3 pods: it must go on running, so that the fewest is 1."),
        (
            api(21),
            "hustlex-api cannot have 21 pods: HorizontalPodAutoscaler hustlex-api-hpa allows 20 at most (maxReplicas);"
            f" raise app_hpa_max_replicas in {FILE} and deploy.",
        ),
        *(
            (worker(text), f'hustlex-worker cannot have "{text}" pods: give a whole number.')
            for text in ("five", "2.5", 2.0, True, "1e3", "٣", "9" * 12, ["3"])
        ),
        (
            Wish("hustlex-apii", 3),
            "Deployment hustlex-apii is not in namespace hustlex: deploy it first (playbooks/deploy.yml), or look for its"
            " name with `kubectl get deployments -n hustlex`.",
        ),
    ],
    ids=lambda value: str(value.replicas) if isinstance(value, Wish) else "",
)
def test_refusals(wish: Wish, words: str) -> None:
    with pytest.raises(KubeError) as refused:
        plan([wish], cluster(), TERMS)
    assert str(refused.value) == words


def test_confirmation_does_not_allow_zero() -> None:
    with pytest.raises(KubeError, match="the fewest is 1"):
        plan([worker(0)], cluster(), CONFIRMED)


def test_confirmation_for_another_environment_is_none() -> None:
    with pytest.raises(KubeError, match="add -e confirm=production"):
        plan([worker(1)], cluster(), Terms("production", "staging"))
    with pytest.raises(KubeError, match="below"):
        plan([worker(1)], cluster(), Terms("", ""))


def test_nothing_given() -> None:
    with pytest.raises(
        KubeError, match=r"^Nothing to scale: no number of pods was given \(-e api=N or -e worker=N\)\.$"
    ):
        plan([api(None), worker("")], cluster(), TERMS)


def test_all_refusals_at_once() -> None:
    with pytest.raises(KubeError, match=r"20 at most .* whole number"):
        plan([api(30), worker("many")], cluster(), TERMS)


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"pods": ("10", "8")}, "ResourceQuota hustlex leaves 2 of 10 pods, and 3 more pods need 3."),
        ({"requests_cpu": ("4", "3")}, "ResourceQuota hustlex leaves 1 of 4 requests.cpu, and 3 more pods need 1500m."),
        (
            {"limits_memory": ("32Gi", "22528Mi")},
            "ResourceQuota hustlex leaves 10Gi of 32Gi limits.memory, and 3 more pods need 12Gi.",
        ),
    ],
)
def test_beyond_the_quota_of_both_together(resources: dict[str, tuple[str, str]], words: str) -> None:
    with pytest.raises(KubeError) as refused:
        plan([api(5), worker(3)], cluster(quota(**resources)), TERMS)
    assert str(refused.value) == words


def test_pods_that_are_there_need_no_quota() -> None:
    full = quota(pods=("10", "10"))
    assert plan([api(8)], cluster(full, api=8), TERMS)
    assert plan([worker(1)], cluster(full), CONFIRMED)
