"""What the compiled binaries depend on."""

from __future__ import annotations

import re
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest
from embedkube import build, gobuild, images
from embedkube.config import (
    COLLECTOR_VERSION,
    EMBEDDED_IMAGES,
    KUBERNETES_VERSION,
    S3_VERSION,
    Artifacts,
    Paths,
)

TABLE = images.table(build.images_folder(Paths("test")))


def test_the_binaries_report_the_version_of_the_module() -> None:
    module = (gobuild.SOURCES / "go.mod").read_text()
    assert f"k8s.io/kubernetes {KUBERNETES_VERSION}\n" in module
    assert f"k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}" in gobuild.version_flags()
    assert "k8s.io/client-go/pkg/version.gitMinor=36" in gobuild.version_flags()


@pytest.mark.parametrize("name", ["coredns", "metrics-server", "local-path-provisioner"])
def test_tags_of_add_ons_are_their_module_versions(name: str) -> None:
    tag = EMBEDDED_IMAGES[name].rpartition(":")[2]
    assert re.search(rf"/{name} v{re.escape(tag)}\b", (gobuild.SOURCES / "go.mod").read_text())


def test_the_s3_server_reports_the_version_of_its_module() -> None:
    assert f"/versitygw v{S3_VERSION} " in (gobuild.S3.sources / "go.mod").read_text()


def test_what_collects_logs_reports_the_version_of_its_module_and_is_tagged_with_it() -> None:
    assert f"/collector/otelcol v{COLLECTOR_VERSION}\n" in (gobuild.COLLECTOR.sources / "go.mod").read_text()
    tags = {image.binary: image.reference.rpartition(":")[2] for image in TABLE}
    assert tags["otelcol"] == COLLECTOR_VERSION


def test_the_tag_of_kube_state_metrics_is_its_module_version() -> None:
    tags = {image.binary: image.reference.rpartition(":")[2] for image in TABLE}
    assert f"/kube-state-metrics/v2 v{tags['kube-state-metrics']} " in (gobuild.SOURCES / "go.mod").read_text()


def test_all_parts_of_the_collector_are_of_one_release() -> None:
    text = (gobuild.COLLECTOR.sources / "go.mod").read_text()
    parts = re.findall(r"(?:go\.opentelemetry\.io/collector|/opentelemetry-collector-contrib)\S* (v\S+)", text)
    assert len(set(re.findall(r"\bv1\.\S+", " ".join(parts)))) == 1
    assert {part for part in parts if not part.startswith("v1.")} == {f"v{COLLECTOR_VERSION}"}


def test_what_is_under_the_agpl_is_not_made_here() -> None:
    for module in gobuild.MODULES:
        required = re.findall(r"^\s*(github\.com/grafana/\S+) v", (module.sources / "go.mod").read_text(), re.MULTILINE)
        assert set(required) <= {"github.com/grafana/regexp"}
    assert not [image for image in TABLE if re.search("loki|grafana|tempo|mimir", image.reference)]


def test_every_module_has_a_place_in_the_cache() -> None:
    assert {module.name for module in gobuild.MODULES} < {field.name for field in fields(Artifacts)}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module in gobuild.MODULES for name in module.files])
def test_every_source_changes_the_key(module: gobuild.Module, name: str, tmp_path: Path) -> None:
    for folder in (gobuild.SOURCES, module.sources):
        shutil.copytree(folder, tmp_path / folder.name, dirs_exist_ok=True)
    copied = replace(module, sources=tmp_path / module.sources.name)
    assert copied.key() == module.key()
    with (copied.sources / name).open("a") as file:
        file.write("\n")
    assert copied.key() != module.key()


@pytest.mark.parametrize("module", gobuild.MODULES, ids=lambda module: module.name)
def test_every_program_is_pinned(module: gobuild.Module) -> None:
    text = (module.sources / "go.mod").read_text()
    for program in (program for group in module.groups for program in group):
        assert program.startswith(".") or re.search(rf"\s{re.escape(program)}\n", text)
