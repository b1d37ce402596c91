"""What the compiled binaries depend on."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from embedkube import gobuild
from embedkube.config import EMBEDDED_IMAGES, KUBERNETES_VERSION


def test_the_binaries_report_the_version_of_the_module() -> None:
    module = (gobuild.SOURCES / "go.mod").read_text()
    assert f"k8s.io/kubernetes {KUBERNETES_VERSION}\n" in module
    assert f"k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}" in gobuild.version_flags()
    assert "k8s.io/client-go/pkg/version.gitMinor=36" in gobuild.version_flags()


@pytest.mark.parametrize("name", ["coredns", "metrics-server", "local-path-provisioner"])
def test_tags_of_add_ons_are_their_module_versions(name: str) -> None:
    tag = EMBEDDED_IMAGES[name].rpartition(":")[2]
    assert re.search(rf"/{name} v{re.escape(tag)}\b", (gobuild.SOURCES / "go.mod").read_text())


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go", "pause/main.go", "toolchain.txt"])
def test_every_source_changes_the_key(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = gobuild.key()
    sources = tmp_path / "go"
    shutil.copytree(gobuild.SOURCES, sources)
    monkeypatch.setattr(gobuild, "SOURCES", sources)
    assert gobuild.key() == before
    with (sources / name).open("a") as file:
        file.write("\n")
    assert gobuild.key() != before


def test_every_program_is_pinned() -> None:
    module = (gobuild.SOURCES / "go.mod").read_text()
    for program in (*gobuild.PROGRAMS, *gobuild.PROGRAMS_ALONE):
        assert program.startswith(".") or f"\t{program}\n" in module
