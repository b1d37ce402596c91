"""What a new image is asked before a release, on the cluster of the tests."""

from __future__ import annotations

import base64
import json
import os
import uuid
from collections.abc import Iterator

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.client import Client
from ansible_collections.hustlex.platform.plugins.module_utils.kube.job import Order
from ansible_collections.hustlex.platform.plugins.module_utils.kube.login import login
from ansible_collections.hustlex.platform.plugins.module_utils.release.preflight import (
    STATUS_COMMAND,
    VERSION_COMMAND,
    Code,
    UnfitError,
    probe,
)
from plays import kubectl

IMAGE = "localhost/hustlex/api:v2"
# The header of a program for 64-bit ARM, which no node of another architecture executes.
FOREIGN_PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00\x01\x00\x00\x00" + bytes(40)


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    name = f"hustlex-releases-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def connect() -> Client:
    return Client(login({"kubeconfig": os.environ["KUBECONFIG"]}))


def job(image: str, command: tuple[str, ...], **volume: object) -> dict:
    container = {"name": "migrate", "image": image, "command": list(command)}
    pod: dict = {"containers": [container], "restartPolicy": "Never"}
    if volume:
        container["volumeMounts"] = [{"name": "x", "mountPath": "/x"}]
        pod["volumes"] = [{"name": "x", **volume}]
    return {"spec": {"template": {"spec": pod}}}


def ask(namespace: str, name: str, manifest: dict) -> Code:
    image = manifest["spec"]["template"]["spec"]["containers"][0]["image"]
    return probe(connect, Order(namespace, name, manifest, timeout=60), image, lambda _line: None)


def test_an_image_says_what_it_needs_and_leaves_nothing(namespace):
    assert ask(namespace, "good", job(IMAGE, VERSION_COMMAND)) == Code(IMAGE, "v2", 6, 5)
    assert json.loads(kubectl("get", "jobs", "--namespace", namespace, "--output", "json"))["items"] == []


def test_without_a_database_it_says_its_version_all_the_same(namespace):
    assert ask(namespace, "alone", job(IMAGE, STATUS_COMMAND)) == Code(IMAGE, "v2", 6, 5)


def test_an_image_that_says_nothing_is_released_unasked(namespace):
    assert ask(namespace, "mute", job(IMAGE, ("true",))) == Code(IMAGE)


def test_an_image_for_another_architecture_is_told_as_such(namespace):
    data = {"api": base64.b64encode(FOREIGN_PROGRAM).decode()}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "foreign"}, "binaryData": data}
    kubectl("apply", "--namespace", namespace, "--filename", "-", stdin=json.dumps(manifest))
    foreign = job(IMAGE, ("/x/api",), configMap={"name": "foreign", "defaultMode": 0o755})
    with pytest.raises(UnfitError, match="is for another processor architecture than the nodes"):
        ask(namespace, "foreign", foreign)


def test_an_image_that_does_not_exist_is_told_with_the_pods_words(namespace):
    with pytest.raises(UnfitError, match=r"does not run on this cluster: Pod .* cannot pull the image"):
        ask(namespace, "nowhere", job("localhost/hustlex/api:nowhere", VERSION_COMMAND))
