"""apply, rollout and status against a real cluster, in namespaces of their own.

KUBECONFIG names the cluster. PLUGIN_TEST_IMAGE is an image with a shell that its nodes have or can pull.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
import yaml
from plays import ROOT, Player, fetch, kubectl
from relay import Relay

IMAGE = os.environ.get("PLUGIN_TEST_IMAGE", "localhost/embedded/helper:1")
NAMESPACE = os.environ.get("PLUGIN_TEST_NAMESPACE", "plugins-test")
SLEEP = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done"]


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def config_map(name: str, data: dict[str, str], **annotations: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def secret(name: str, data: dict[str, str], **annotations: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def service(name: str, port: int = 80) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def pod(command: Sequence[str] = tuple(SLEEP), **container: Any) -> dict[str, Any]:
    own = {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": list(command), **container}
    return {"terminationGracePeriodSeconds": 1, "containers": [own]}


def deployment(name: str, spec: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    annotations = fields.pop("annotations", {})
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec or pod()},
            **fields,
        },
    }


def stateful_set(name: str, spec: dict[str, Any] | None = None, storage_class: str = "") -> dict[str, Any]:
    manifest = deployment(name, spec)
    manifest["kind"] = "StatefulSet"
    manifest["spec"]["serviceName"] = name
    if storage_class:
        request = {"requests": {"storage": "1Mi"}}
        claim = {"accessModes": ["ReadWriteOnce"], "storageClassName": storage_class, "resources": request}
        manifest["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": claim}]
        container = manifest["spec"]["template"]["spec"]["containers"][0]
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    return manifest


def storage_class(name: str, provisioner: str) -> dict[str, Any]:
    manifest = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    return {**manifest, "provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer"}


def job(name: str, command: list[str]) -> dict[str, Any]:
    spec = {"backoffLimit": 0, "template": {"spec": {**pod(command), "restartPolicy": "Never"}}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def actions(result: dict[str, Any]) -> dict[str, str]:
    return {f"{item['kind']} {item['name']}": item["action"] for item in result["objects"]}


def diff_text(result: dict[str, Any]) -> str:
    return "\n".join(f"{item['before_header']}\n{item['before']}\n{item['after']}" for item in result["diff"])


@pytest.fixture(scope="session")
def kubeconfig() -> str:
    return os.environ["KUBECONFIG"]


@pytest.fixture(scope="session")
def play(tmp_path_factory: pytest.TempPathFactory, kubeconfig: str) -> Iterator[Player]:
    """A player whose namespace does not exist when the tests begin."""
    kubectl("delete", "namespace", NAMESPACE, *OTHER_NAMESPACES.values(), "--ignore-not-found", "--timeout=150s")
    yield Player(tmp_path_factory.mktemp("plays"), NAMESPACE, kubeconfig)
    kubectl("delete", "namespace", NAMESPACE, *OTHER_NAMESPACES.values(), "--ignore-not-found", "--wait=false")
    kubectl("delete", "storageclass", "plugins-test-nobody", "plugins-test-by-hand", "--ignore-not-found")


@pytest.fixture(scope="session")
def place(play: Player) -> Player:
    """A player whose namespace exists."""
    played = play({"apply": {"name": "place", "manifests": [namespace(NAMESPACE)]}})
    assert not played.last.get("failed"), played.last
    return play


class TestApply:
    def test_check_mode_on_an_absent_namespace_shows_everything_and_makes_nothing(self, play: Player) -> None:
        manifests = [namespace(f"{NAMESPACE}-absent"), secret("s", {"K": "hidden-value"}), deployment("web")]
        result = play(
            {"apply": {"name": "absent", "manifests": manifests}}, check=True, namespace=f"{NAMESPACE}-absent"
        ).last
        assert set(actions(result).values()) == {"created"}
        assert "Deployment web (absent)" in diff_text(result)
        assert "hidden-value" not in diff_text(result)
        assert base64.b64encode(b"hidden-value").decode() not in diff_text(result)
        assert f"{NAMESPACE}-absent" not in kubectl("get", "namespaces")

    def test_check_mode_without_a_kubeconfig(self, play: Player) -> None:
        task = {"apply": {"name": "absent", "manifests": [config_map("a", {"K": "1"})]}}
        played = play(task, check=True, kubeconfig="/does/not/exist")
        assert played.last["created"] == 1
        assert "/does/not/exist does not exist" in played.output

    def test_an_absent_namespace_is_an_error_in_one_sentence(self, play: Player) -> None:
        task = {"apply": {"name": "absent", "manifests": [config_map("a", {"K": "1"})]}}
        result = play(task, namespace=f"{NAMESPACE}-absent").last
        assert result["msg"].startswith(f"ConfigMap a: the namespace {NAMESPACE}-absent does not exist")

    def test_a_second_run_changes_nothing(self, place: Player) -> None:
        manifests = [
            config_map("twice", {"K": "1"}),
            service("twice"),
            deployment("twice", pod(resources={"requests": {"cpu": "0.01", "memory": "0.01Gi"}})),
        ]
        task = {"apply": {"name": "twice", "manifests": manifests}}
        first, second = place(task, task).results
        assert (first["created"], first["changed"]) == (3, True)
        assert set(actions(second).values()) == {"unchanged"}
        assert second["changed"] is False

    def test_drift_is_named_and_mended(self, place: Player) -> None:
        manifests = [config_map("drift", {"K": "1"}), service("drift"), secret("drift", {"K": "hidden-value"})]
        task = {"apply": {"name": "drift", "manifests": manifests}}
        place(task)
        kubectl("-n", NAMESPACE, "delete", "service", "drift")
        kubectl("-n", NAMESPACE, "patch", "configmap", "drift", "-p", '{"data":{"K":"edited"}}')
        kubectl("-n", NAMESPACE, "label", "configmap", "drift", "hustlex.app/set-")
        kubectl("-n", NAMESPACE, "patch", "secret", "drift", "-p", '{"stringData":{"K":"other-value"}}')
        seen = place(task, check=True).last
        mended = place(task).last
        expected = {"Service drift": "created", "ConfigMap drift": "configured", "Secret drift": "configured"}
        assert actions(seen) == actions(mended) == expected
        assert "K: edited" in diff_text(mended)
        assert "K: '*** (changed)'" in diff_text(mended)
        assert "other-value" not in diff_text(mended)
        live = fetch("-n", NAMESPACE, "configmap", "drift")
        assert live["data"] == {"K": "1"}
        assert live["metadata"]["labels"]["hustlex.app/set"] == "drift"

    def test_what_left_the_set_is_pruned_and_data_is_kept(self, place: Player) -> None:
        staying, leaving = config_map("staying", {"K": "1"}), config_map("leaving", {"K": "1"})
        manifests = [staying, leaving, service("leaving"), secret("leaving", {"K": "1"})]
        place({"apply": {"name": "prune", "manifests": manifests}})
        task = {"apply": {"name": "prune", "manifests": [staying]}}
        seen = place(task, check=True).last
        assert "leaving" in kubectl("-n", NAMESPACE, "get", "services")
        result = place(task).last
        expected = {
            "ConfigMap staying": "unchanged",
            "ConfigMap leaving": "pruned",
            "Service leaving": "pruned",
            "Secret leaving": "orphaned",
        }
        assert actions(seen) == actions(result) == expected
        assert result["orphaned"] == ["Secret leaving"]
        assert "leaving" not in kubectl("-n", NAMESPACE, "get", "services")
        assert "leaving" in kubectl("-n", NAMESPACE, "get", "secrets")

    def test_generated_values_and_recorded_facts_are_kept(self, place: Player) -> None:
        keep = {"hustlex.app/keep-data": "true"}
        place({"apply": {"name": "keep", "manifests": [secret("keep", {"OLD": "first-value"}, **keep)]}})
        again = secret("keep", {"OLD": "second-value", "NEW": "added-value"}, **keep)
        place({"apply": {"name": "keep", "manifests": [again]}})
        data = fetch("-n", NAMESPACE, "secret", "keep")["data"]
        assert {key: base64.b64decode(value) for key, value in data.items()} == {
            "OLD": b"first-value",
            "NEW": b"added-value",
        }
        assert place({"apply": {"name": "keep", "manifests": [again]}}).last["changed"] is False

    def test_pods_restart_when_what_they_read_changes(self, place: Player) -> None:
        place({"apply": {"name": "read", "manifests": [config_map("read", {"K": "1", "OTHER": "1"})]}})
        reader = deployment("reader", annotations={"hustlex.app/restart-on": "configmap/read/K"})
        task = {"apply": {"name": "reader", "manifests": [reader]}}
        place(task)
        place({"apply": {"name": "read", "manifests": [config_map("read", {"K": "1", "OTHER": "2"})]}})
        assert place(task).last["changed"] is False
        place({"apply": {"name": "read", "manifests": [config_map("read", {"K": "2", "OTHER": "2"})]}})
        result = place(task).last
        assert actions(result) == {"Deployment reader": "configured"}
        assert "hustlex.app/config-checksum" in diff_text(result)

    def test_a_failed_job_runs_again_and_a_completed_one_does_not(self, place: Player) -> None:
        manifests = [job("fails", ["sh", "-c", "exit 1"]), job("completes", ["sh", "-c", "exit 0"])]
        task = {"apply": {"name": "jobs", "manifests": manifests}}
        place(task, {"rollout": {"sets": ["jobs"], "timeout": LONGEST_WAIT}})
        kubectl("-n", NAMESPACE, "wait", "job/completes", "--for=condition=complete", "--timeout=150s")
        before = fetch("-n", NAMESPACE, "job", "fails")["metadata"]["uid"]
        expected = {"Job fails": "recreated", "Job completes": "unchanged"}
        assert actions(place(task, check=True).last) == expected
        assert actions(place(task).last) == expected
        assert fetch("-n", NAMESPACE, "job", "fails")["metadata"]["uid"] != before

    def test_replicas_of_an_autoscaler_are_left_alone(self, place: Player) -> None:
        scaled = deployment("scaled")
        del scaled["spec"]["replicas"]
        task = {"apply": {"name": "scaled", "manifests": [scaled]}}
        place(task)
        kubectl("-n", NAMESPACE, "scale", "deployment", "scaled", "--replicas=2")
        assert place(task).last["changed"] is False

    @pytest.mark.parametrize(
        ("before", "after", "words"),
        [
            (
                stateful_set("fixed"),
                stateful_set("fixed", storage_class="standard"),
                "StatefulSet fixed cannot be changed in spec.volumeClaimTemplates: run `kubectl delete statefulset fixed"
                f" -n {NAMESPACE} --cascade=orphan` (its pods and volumes stay)",
            ),
            (
                job("fixed", ["sh", "-c", "exit 0"]),
                job("fixed", ["sh", "-c", "exit 1"]),
                f"Job fixed cannot be changed in spec.template: run `kubectl delete job fixed -n {NAMESPACE}`",
            ),
        ],
    )
    def test_fields_that_cannot_change(
        self, place: Player, before: dict[str, Any], after: dict[str, Any], words: str
    ) -> None:
        first = {"apply": {"name": "fixed", "manifests": [before], "prune": False}}
        second = {"apply": {"name": "fixed", "manifests": [after], "prune": False}}
        assert place(first, second).last["msg"].startswith(words)

    def test_a_failure_midway_says_what_was_applied(self, place: Player) -> None:
        wrong = service("wrong", port=0)
        result = place({"apply": {"name": "midway", "manifests": [wrong, config_map("fine", {"K": "1"})]}}).last
        assert result["msg"].startswith("Service wrong is refused: ")
        assert "spec.ports[0].port" in result["msg"]
        assert result["msg"].endswith("Applied before that: ConfigMap fine.")
        assert actions(result) == {"ConfigMap fine": "created"}

    def test_an_unknown_field_is_refused(self, place: Player) -> None:
        mistyped = deployment("mistyped", replica=2)
        assert "replica" in place({"apply": {"name": "mistyped", "manifests": [mistyped]}}).last["msg"]

    def test_a_kind_that_is_not_served(self, place: Player) -> None:
        widget = {"apiVersion": "example.test/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {}}
        result = place({"apply": {"name": "widget", "manifests": [widget]}}).last
        assert "does not serve Widget (example.test/v1)" in result["msg"]

    def test_a_pod_that_no_node_can_hold(self, place: Player) -> None:
        huge = stateful_set("huge", pod(resources={"requests": {"memory": "900Gi"}}))
        task = {"apply": {"name": "huge", "manifests": [huge]}}
        seen = place(task, check=True)
        assert not seen.last.get("failed")
        assert "huge-0 asks for 900Gi memory, the largest of" in " ".join(seen.output.split())
        result = place(task).last
        assert result["msg"].startswith("huge-0 asks for 900Gi memory, the largest of")
        assert "no node can ever hold it" in result["msg"]
        assert "huge" not in kubectl("-n", NAMESPACE, "get", "statefulsets")


class TestLogin:
    @pytest.fixture
    def config(self, kubeconfig: str) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load(Path(kubeconfig).read_text())
        return loaded

    def message(self, place: Player, **options: Any) -> str:
        task = {"apply": {"name": "login", "manifests": [config_map("a", {"K": "1"})]}}
        message: str = place(task, **options).last["msg"]
        assert "Traceback" not in message
        return message

    def test_wrong_context(self, place: Player, kubeconfig: str) -> None:
        known = kubectl("config", "get-contexts", "-o", "name").split()[0]
        message = self.message(place, context="nowhere")
        assert message.startswith(f'There is no context "nowhere" in the kubeconfig {kubeconfig}; it has: ')
        assert known in message

    def test_missing_kubeconfig(self, place: Player) -> None:
        assert "/does/not/exist does not exist" in self.message(place, kubeconfig="/does/not/exist")

    def test_unreachable(self, place: Player, config: dict[str, Any]) -> None:
        config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
        message = self.message(place, kubeconfig=config)
        assert message.startswith("The Kubernetes API server at 127.0.0.1:9 cannot be reached (connection refused)")

    def test_certificate_of_another_cluster(self, place: Player, config: dict[str, Any], tmp_path: Path) -> None:
        path, subject = tmp_path / "ca.crt", "/CN=another"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-keyout", str(tmp_path / "key"), "-subj", subject, "-out", str(path)]
        subprocess.run(command, check=True, capture_output=True, timeout=30)
        cluster = config["clusters"][0]["cluster"]
        cluster["certificate-authority-data"] = base64.b64encode(path.read_bytes()).decode()
        assert "shows a certificate that this kubeconfig does not trust" in self.message(place, kubeconfig=config)

    def test_expired_credentials(self, place: Player, config: dict[str, Any]) -> None:
        config["users"][0]["user"] = {"token": "expired"}
        message = self.message(place, kubeconfig=config)
        assert "does not accept these credentials" in message
        assert "log in again" in message

    def test_forbidden_verb(self, place: Player, config: dict[str, Any]) -> None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}}
        place({"apply": {"name": "nobody", "manifests": [account]}})
        config["users"][0]["user"] = {"token": kubectl("-n", NAMESPACE, "create", "token", "nobody").strip()}
        message = self.message(place, kubeconfig=config)
        user = f"system:serviceaccount:{NAMESPACE}:nobody"
        assert message.startswith(f'Not allowed: User "{user}" cannot list resource "configmaps"')

    def test_failing_login_command(self, place: Player, config: dict[str, Any]) -> None:
        command = {"apiVersion": "client.authentication.k8s.io/v1", "command": "false", "interactiveMode": "Never"}
        config["users"][0]["user"] = {"exec": command}
        assert "The login command of the given kubeconfig failed" in self.message(place, kubeconfig=config)


class TestClusterCheck:
    CHECK: ClassVar[dict[str, Any]] = {"minimum_version": "1.30"}

    def test_a_whole_cluster_passes(self, place: Player) -> None:
        result = place({"cluster_check": self.CHECK}).last
        assert (result.get("failed", False), result["msg"]) == (False, "")

    def test_all_rights_that_an_editor_lacks_are_named_at_once(self, place: Player, kubeconfig: str) -> None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "editor"}}
        place({"apply": {"name": "editor", "manifests": [account]}})
        subject = f"--serviceaccount={NAMESPACE}:editor"
        kubectl("-n", NAMESPACE, "create", "rolebinding", "editor", "--clusterrole=edit", subject)
        config = yaml.safe_load(Path(kubeconfig).read_text())
        config["users"][0]["user"] = {"token": kubectl("-n", NAMESPACE, "create", "token", "editor").strip()}
        message = place({"cluster_check": self.CHECK}, kubeconfig=config).last["msg"]
        assert message == (
            f"The user of this kubeconfig lacks rights in namespace {NAMESPACE} that a deploy needs: ask for a role that"
            " allows patch on namespaces; create, patch, delete on resourcequotas, limitranges."
        )

    def test_a_stopped_cluster_is_absent_in_check_mode_only_where_the_play_starts_it(
        self, place: Player, kubeconfig: str
    ) -> None:
        config = yaml.safe_load(Path(kubeconfig).read_text())
        config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
        task = {"cluster_check": {**self.CHECK, "may_be_stopped": True}}
        tolerated = place(task, check=True, kubeconfig=config).last
        assert not tolerated.get("failed")
        assert tolerated["msg"].startswith("There is no cluster to check yet: ")
        assert place(task, kubeconfig=config).last["failed"]
        assert place({"cluster_check": self.CHECK}, check=True, kubeconfig=config).last["failed"]


# Sets whose rules for a whole namespace would break the others too.
OTHER_NAMESPACES = {"no-quota": f"{NAMESPACE}-quota", "not-secure": f"{NAMESPACE}-strict"}

# Far beyond what any of them needs, so that a busy machine does not make it a failure.
LONGEST_WAIT = 120
GRACE = 2
# When a failure can be known at all, where that is not at once: the second crash, the deadline, the claim, the timeout.
KNOWABLE = {"crash": 15, "no-progress": 3, "no-provisioner": 15, "not-in-time": 8}

BROKEN: dict[str, tuple[list[dict[str, Any]], str]] = {
    "no-image": (
        [deployment("no-image", pod(image="localhost/does/not:exist"))],
        r"Pod no-image-\S+ cannot pull the image localhost/does/not:exist: ",
    ),
    "never-pull": (
        [deployment("never-pull", pod(image="localhost/does/not:exist", imagePullPolicy="Never"))],
        r"Pod never-pull-\S+ needs the image localhost/does/not:exist, which the node does not have",
    ),
    "bad-name": (
        [deployment("bad-name", pod(image="UPPER:CASE:TWICE"))],
        r"Pod bad-name-\S+ names an image that cannot be one: UPPER:CASE:TWICE",
    ),
    "no-config": (
        [deployment("no-config", pod(envFrom=[{"configMapRef": {"name": "nowhere"}}]))],
        r'Pod no-config-\S+ cannot start its container main: configmap "nowhere" not found\.',
    ),
    "no-program": (
        [deployment("no-program", pod(["./nowhere"]))],
        r"Pod no-program-\S+.* container main\b.*nowhere",
    ),
    "crash": (
        [
            secret("crash", {"PASSWORD": "very-secret-value"}),
            deployment(
                "crash",
                pod(
                    ["sh", "-c", 'echo "cannot log in with $PASSWORD"; exit 3'],
                    envFrom=[{"secretRef": {"name": "crash"}}],
                ),
            ),
        ],
        r"Pod crash-\S+: its container main crashes again and again: exit code 3; its last words:"
        r' "cannot log in with \*\*\*"\. See `kubectl logs crash-\S+ -c main --previous -n ',
    ),
    "no-node": (
        [deployment("no-node", {**pod(), "nodeSelector": {"no": "where"}})],
        r"Pod no-node-\S+ finds no node: 0/\d+ nodes are available: .*didn't match Pod's node affinity/selector",
    ),
    "no-volume": (
        [stateful_set("no-volume", storage_class="nowhere")],
        r'Claim data-no-volume-0 cannot be bound: .*"nowhere" not found',
    ),
    "no-provisioner": (
        [
            storage_class("plugins-test-nobody", "example.com/nobody"),
            stateful_set("no-provisioner", storage_class="plugins-test-nobody"),
        ],
        r"Claim data-no-provisioner-0 is not provisioned: Waiting for a volume to be created .*'example.com/nobody'",
    ),
    "by-hand": (
        [
            storage_class("plugins-test-by-hand", "kubernetes.io/no-provisioner"),
            stateful_set("by-hand", storage_class="plugins-test-by-hand"),
        ],
        r"Pod by-hand-0 finds no node: .*didn't find available persistent volumes to bind",
    ),
    "no-mount": (
        [
            deployment(
                "no-mount",
                {
                    **pod(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
                    "volumes": [{"name": "v", "secret": {"secretName": "nowhere"}}],
                },
            )
        ],
        r'Pod no-mount-\S+ cannot mount a volume: .*secret "nowhere" not found',
    ),
    "job-fails": (
        [job("job-fails", ["sh", "-c", "echo column missing; exit 1"])],
        r'Job job-fails failed: Job has reached the specified backoff limit; its last words: "column missing"\.'
        r" See `kubectl logs job/job-fails -n ",
    ),
    "no-progress": (
        [
            deployment(
                "no-progress",
                pod(readinessProbe={"exec": {"command": ["false"]}, "periodSeconds": 1}),
                progressDeadlineSeconds=3,
            )
        ],
        r"Deployment no-progress made no progress within progressDeadlineSeconds \(3 s\)",
    ),
    "not-in-time": (
        [stateful_set("not-in-time", pod(readinessProbe={"exec": {"command": ["false"]}, "periodSeconds": 1}))],
        r"StatefulSet not-in-time is not ready after \d+ s: 0 of 1 ready \(pod not-in-time-0: runs, but is not ready yet\)",
    ),
    "no-quota": (
        [
            namespace(OTHER_NAMESPACES["no-quota"]),
            {
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": {"name": "none"},
                "spec": {"hard": {"count/pods": "0"}},
            },
            stateful_set("no-quota"),
        ],
        r"StatefulSet no-quota cannot create its pods: .*exceeded quota: none",
    ),
    "not-secure": (
        [
            namespace(OTHER_NAMESPACES["not-secure"], **{"pod-security.kubernetes.io/enforce": "restricted"}),
            deployment("not-secure"),
        ],
        r"Deployment not-secure cannot create its pods: .*violates PodSecurity \"restricted:latest\"",
    ),
    "nothing": ([config_map("nothing", {"K": "1"})], r"Nothing to wait for: no workload of nothing is in namespace"),
}


@pytest.fixture(scope="session")
def broken(place: Player) -> dict[str, dict[str, Any]]:
    """The result of waiting for each broken set, with a short grace and timeout."""
    tasks: list[dict[str, Any]] = []
    for name, (manifests, _words) in BROKEN.items():
        where = {"namespace": OTHER_NAMESPACES[name]} if name in OTHER_NAMESPACES else {}
        limits = {"sets": [name], "unschedulable_grace": GRACE, "timeout": 8 if name == "not-in-time" else LONGEST_WAIT}
        tasks += [{"apply": {"name": name, "manifests": manifests, "check_capacity": False, **where}}]
        tasks += [{"rollout": {**limits, **where}}]
    played = place(*tasks)
    return dict(zip(BROKEN, played.results[1::2], strict=True))


class TestRollout:
    @pytest.mark.parametrize("name", list(BROKEN))
    def test_failures_are_found_at_once_and_told_in_one_sentence(
        self, broken: dict[str, dict[str, Any]], name: str
    ) -> None:
        result = broken[name]
        assert result["failed"] is True
        assert re.match(BROKEN[name][1], result["msg"]), result["msg"]
        if name != "nothing":
            assert result["seconds"] < KNOWABLE.get(name, 0) + GRACE + 15, result["msg"]

    def test_evidence_shows_logs_without_secrets(self, broken: dict[str, dict[str, Any]]) -> None:
        evidence = broken["crash"]["evidence"][0]
        assert any("cannot log in with ***" in line for lines in evidence["logs"].values() for line in lines)
        assert "very-secret-value" not in str(broken["crash"])
        assert any("BackOff" in event for event in evidence["events"])

    def test_ready_at_once(self, place: Player) -> None:
        tasks = [
            {"apply": {"name": "good", "manifests": [deployment("good", replicas=2), stateful_set("good")]}},
            {"rollout": {"sets": ["good"], "timeout": LONGEST_WAIT}},
            {"rollout": {"sets": ["good"], "timeout": LONGEST_WAIT}},
        ]
        _applied, first, second = place(*tasks).results
        assert [item["ready"] for item in first["workloads"]] == [True, True], first
        assert second["seconds"] < 1

    def test_a_broken_update_fails_while_old_pods_serve(self, place: Player) -> None:
        good = deployment("update", minReadySeconds=2)
        # A busy kubelet takes seconds to notice that a container has ended.
        bad = deployment("update", pod(["sh", "-c", "exit 1"]), minReadySeconds=8)
        wait = {"rollout": {"sets": ["update"], "timeout": LONGEST_WAIT}}
        played = place({"apply": {"name": "update", "manifests": [good]}}, wait)
        assert not played.last.get("failed")
        result = place({"apply": {"name": "update", "manifests": [bad]}}, wait).last
        assert "crashes again and again: exit code 1" in result["msg"]
        assert fetch("-n", NAMESPACE, "deployment", "update")["status"]["availableReplicas"] == 1
        mended = place({"apply": {"name": "update", "manifests": [good]}}, wait).last
        assert not mended.get("failed"), mended

    def test_a_stateful_set_that_waits_for_its_broken_old_pod(self, place: Player) -> None:
        wait = {"rollout": {"sets": ["stuck"], "timeout": 60, "unschedulable_grace": 2}}
        bad = stateful_set("stuck", pod(image="localhost/does/not:exist"))
        place({"apply": {"name": "stuck", "manifests": [bad]}}, wait)
        result = place({"apply": {"name": "stuck", "manifests": [stateful_set("stuck")]}}, wait).last
        assert result.get("failed"), result
        assert "waits for a pod of its earlier revision" in result["msg"]
        assert f"`kubectl delete pod stuck-0 -n {NAMESPACE}`" in result["msg"]

    def test_check_mode_reports_and_neither_waits_nor_fails(self, place: Player) -> None:
        place({"apply": {"name": "checked", "manifests": [deployment("checked", pod(["sh", "-c", "exit 1"]))]}})
        for sets in (["checked"], ["nothing-here"]):
            result = place({"rollout": {"sets": sets}}, check=True).last
            assert not result.get("failed")
        assert place({"rollout": {"sets": ["checked"]}}, check=True).last["workloads"][0]["ready"] is False

    def test_the_wait_survives_a_restart_of_the_api_server(self, place: Player, kubeconfig: str) -> None:
        config = yaml.safe_load(Path(kubeconfig).read_text())
        server = urlsplit(config["clusters"][0]["cluster"]["server"])
        relay = Relay(server.hostname or "", server.port or 443)
        config["clusters"][0]["cluster"] |= {
            "server": f"https://127.0.0.1:{relay.port}",
            "tls-server-name": server.hostname,
        }
        slow = deployment("slow", pod(readinessProbe={"exec": {"command": ["true"]}, "initialDelaySeconds": 20}))

        def restart() -> None:
            assert relay.used.wait(60)
            time.sleep(2)
            relay.cut()
            time.sleep(4)
            relay.restore()

        place({"apply": {"name": "slow", "manifests": [slow]}})
        threading.Thread(target=restart, daemon=True).start()
        played = place({"rollout": {"sets": ["slow"], "timeout": LONGEST_WAIT}}, kubeconfig=config)
        assert not played.last.get("failed"), played.last
        assert played.last["workloads"][0]["ready"] is True
        assert played.last["seconds"] > 6


LOGGING = r"""
if [ ! -e /v/seen ]; then : > /v/seen; echo "ERROR before the restart"; exit 1; fi
echo "{\"level\": \"error\", \"message\": \"cannot log in with $PASSWORD\"}"
printf 'ERROR \377\376\000 binary\n'
x=x; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; do x=$x$x; done; echo "$x ERROR"
echo '{"level": "info", "message": "0 errors"}'
: > /v/ready
trap 'exit 0' TERM; while :; do sleep 0.2; done
"""


class TestLogs:
    @pytest.fixture(scope="class")
    def task(self, place: Player) -> dict[str, Any]:
        """Looks into the log of a pod that has restarted once."""
        ready = {"exec": {"command": ["sh", "-c", "[ -e /v/ready ]"]}, "periodSeconds": 1}
        reads = [{"secretRef": {"name": "logging"}}]
        volume = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
        spec = pod(["sh", "-c", LOGGING], envFrom=reads, readinessProbe=ready, **volume)
        manifests = [
            secret("logging", {"PASSWORD": "very-secret-value"}),
            deployment("logging", {**spec, "volumes": [{"name": "v", "emptyDir": {}}]}),
        ]
        wait = {"rollout": {"sets": ["logging"], "timeout": LONGEST_WAIT}}
        waited = place({"apply": {"name": "logging", "manifests": manifests}}, wait).last
        defaults = yaml.safe_load((ROOT / "roles/app/defaults/main.yml").read_text())
        return {
            "replica_sets": [waited["replica_sets"]["logging"]],
            "containers": ["main"],
            "since": "2026-01-01T00:00:00+00:00",
            "pattern": defaults["app_log_error_pattern"],
        }

    def test_error_lines_of_both_runs_are_found_and_secrets_are_hidden(
        self, place: Player, task: dict[str, Any]
    ) -> None:
        tolerant, strict = place({"logs": task}, {"logs": {**task, "max": 3}}).results
        assert tolerant["errors"] == 4, tolerant
        (sentence,) = tolerant["sentences"]
        assert re.fullmatch(r"logging-\S+: 4 error lines, first: ERROR before the restart", sentence)
        assert strict["failed"] is True
        assert "where at most 3 may be" in strict["msg"]
        (name,) = [each["workload"].removeprefix("Pod ") for each in strict["evidence"]]
        logs = strict["evidence"][0]["logs"]
        assert logs[f"{name}/main (previous run)"] == ["ERROR before the restart"]
        now = logs[f"{name}/main"]
        assert now[0] == '{"level": "error", "message": "cannot log in with ***"}'
        assert now[1].startswith("ERROR \N{REPLACEMENT CHARACTER}")
        assert (set(now[2]), len(now[2])) == ({"x", "."}, 303)
        assert "very-secret-value" not in str([tolerant, strict])

    def test_what_is_older_does_not_count(self, place: Player, task: dict[str, Any]) -> None:
        result = place({"logs": {**task, "since": "2100-01-01T00:00:00Z", "max": 0}}).last
        assert (result["errors"], result["sentences"]) == (0, ["no error lines in the logs of 1 pod"])

    def test_check_mode_reads_nothing(self, place: Player, task: dict[str, Any]) -> None:
        assert place({"logs": {**task, "max": 0}}, check=True).last["sentences"] == []

    def test_who_may_not_read_logs_is_told_so_and_nothing_fails(
        self, place: Player, task: dict[str, Any], kubeconfig: str
    ) -> None:
        kubectl("-n", NAMESPACE, "create", "serviceaccount", "looker")
        kubectl("-n", NAMESPACE, "create", "role", "looker", "--verb=list", "--resource=pods")
        subject = f"--serviceaccount={NAMESPACE}:looker"
        kubectl("-n", NAMESPACE, "create", "rolebinding", "looker", "--role=looker", subject)
        config = yaml.safe_load(Path(kubeconfig).read_text())
        config["users"][0]["user"] = {"token": kubectl("-n", NAMESPACE, "create", "token", "looker").strip()}
        result = place({"logs": {**task, "max": 0}}, kubeconfig=config).last
        assert not result.get("failed"), result
        (sentence,) = result["sentences"]
        user = f"system:serviceaccount:{NAMESPACE}:looker"
        assert sentence.startswith(f'the logs of 1 pod were not read: Not allowed: User "{user}" cannot get resource')
        assert '"pods/log"' in sentence


class TestStatus:
    def test_table(self, place: Player) -> None:
        manifests = [deployment("shown"), service("shown", port=8080)]
        played = place(
            {"apply": {"name": "shown", "manifests": manifests}},
            {"rollout": {"sets": ["shown"], "timeout": LONGEST_WAIT}},
            {"status": {"sets": ["shown"], "next": ["kubectl get pods"], "health_url": "http://127.0.0.1:9/"}},
        )
        row = played.last["components"][0]
        assert (row["component"], row["kind"], row["ready"]) == ("shown", "Deployment", "1/1")
        assert row["address"] == "shown:8080"
        assert row["version"] == IMAGE.rpartition(":")[2]
        assert played.last["health"]["status"] == 0
        assert "kubectl get pods" in played.output
