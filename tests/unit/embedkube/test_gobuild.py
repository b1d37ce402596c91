"""What the compiled binaries depend on."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from embedkube import gobuild
from embedkube.config import EMBEDDED_IMAGES, KUBERNETES_VERSION, S3_VERSION


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


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in (gobuild.KUBERNETES, gobuild.S3) for name in module.files]
)
def test_every_source_changes_the_key(module: gobuild.Module, name: str, tmp_path: Path) -> None:
    for folder in ("go", "go-s3"):
        shutil.copytree(gobuild.SOURCES.parent / folder, tmp_path / folder)
    copied = replace(module, sources=tmp_path / module.sources.name)
    assert copied.key() == module.key()
    with (copied.sources / name).open("a") as file:
        file.write("\n")
    assert copied.key() != module.key()


@pytest.mark.parametrize("module", [gobuild.KUBERNETES, gobuild.S3])
def test_every_program_is_pinned(module: gobuild.Module) -> None:
    text = (module.sources / "go.mod").read_text()
    for program in (program for group in module.groups for program in group):
        assert program.startswith(".") or re.search(rf"\s{re.escape(program)}\n", text)
