from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ManifestError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.recorded import (
    CHECKSUM,
    KEEP_DATA,
    RESTART_ON,
    with_checksum,
    with_kept_data,
)


def config(data: dict[str, str], keep: str = "true") -> dict[str, Any]:
    return {"kind": "ConfigMap", "metadata": {"name": "c", "annotations": {KEEP_DATA: keep}}, "data": data}


def reader(references: str, kind: str = "Deployment") -> dict[str, Any]:
    template = {"metadata": {"annotations": {RESTART_ON: references}}, "spec": {}}
    spec = {"jobTemplate": {"spec": {"template": template}}} if kind == "CronJob" else {"template": template}
    return {"kind": kind, "metadata": {"name": "api"}, "spec": spec}


def checksum(references: str, objects: Mapping[tuple[str, str], Mapping[str, str]]) -> str | None:
    manifest = with_checksum(reader(references), lambda kind, name: objects.get((kind, name)))
    value: str | None = manifest["spec"]["template"]["metadata"]["annotations"].get(CHECKSUM)
    return value


def test_live_values_are_kept_and_missing_ones_added() -> None:
    kept = with_kept_data(config({"A": "new", "B": "new"}), config({"A": "live", "C": "live"}))
    assert kept["data"] == {"A": "live", "B": "new", "C": "live"}


def test_without_the_annotation_or_a_live_object_the_manifest_counts() -> None:
    assert with_kept_data(config({"A": "new"}, keep="false"), config({"A": "live"}))["data"] == {"A": "new"}
    assert with_kept_data(config({"A": "new"}), None)["data"] == {"A": "new"}


def test_checksum_follows_what_the_pod_reads_and_nothing_else() -> None:
    one = {("ConfigMap", "c"): {"A": "1", "B": "1"}, ("Secret", "s"): {"P": "1"}}
    other_key = {**one, ("ConfigMap", "c"): {"A": "1", "B": "2"}}
    whole, part = "configmap/c secret/s", "configmap/c/A secret/s/P"
    assert len(checksum(whole, one) or "") == 16
    assert checksum(whole, one) == checksum(whole, dict(reversed(one.items())))
    assert checksum(whole, one) != checksum(whole, other_key)
    assert checksum(part, one) == checksum(part, other_key)
    assert checksum(whole, one) != checksum(whole, {("ConfigMap", "c"): {"A": "1", "B": "1"}})


def test_no_checksum_of_nothing() -> None:
    assert checksum("configmap/c secret/s", {}) is None


def test_cron_jobs_have_their_template_deeper() -> None:
    manifest = with_checksum(reader("secret/s", "CronJob"), lambda kind, name: {"P": "1"})
    template = manifest["spec"]["jobTemplate"]["spec"]["template"]
    assert CHECKSUM in template["metadata"]["annotations"]


@pytest.mark.parametrize("reference", ["service/a", "configmap", "configmap/"])
def test_a_reference_that_is_none(reference: str) -> None:
    with pytest.raises(ManifestError, match="Deployment api has"):
        checksum(reference, {})
