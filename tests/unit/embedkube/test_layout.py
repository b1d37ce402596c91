"""One-layer images and variants in an OCI layout."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from embedkube.layout import NAME, VERSION, Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "layout")
    made.create()
    for name in ("one", "two"):
        binary = tmp_path / name
        binary.write_bytes(name.encode() * 1000)
        made.add_binary(f"localhost/x/{name}:1", binary)
    return made


def read(layout: Layout, digest: str) -> bytes:
    return (layout.blobs / digest.removeprefix("sha256:")).read_bytes()


def test_every_blob_is_named_by_its_digest(layout: Layout) -> None:
    for blob in layout.blobs.iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


def test_an_image_holds_the_program_and_starts_it(layout: Layout) -> None:
    descriptor = layout.manifests()["localhost/x/one:1"]
    manifest = json.loads(read(layout, descriptor["digest"]))
    config = json.loads(read(layout, layout.config_digest("localhost/x/one:1")))
    layer = gzip.decompress(read(layout, manifest["layers"][0]["digest"]))
    assert config["config"]["Entrypoint"] == ["/one"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert [(member.name, member.mode) for member in tar] == [("one", 0o755)]
        content = tar.extractfile("one")
        assert content is not None
        assert content.read() == b"one" * 1000


def test_the_same_program_gives_the_same_image(layout: Layout, tmp_path: Path) -> None:
    again = Layout(tmp_path / "again")
    again.create()
    again.add_binary("localhost/x/one:1", tmp_path / "one")
    assert again.manifests()["localhost/x/one:1"] == layout.manifests()["localhost/x/one:1"]


def test_a_variant_has_the_layers_of_its_original_and_its_own_environment(layout: Layout) -> None:
    blobs = len(list(layout.blobs.iterdir()))
    layout.add_variant("localhost/x/one:v2", "localhost/x/one:1", {"PATH": "/bin", "FAULTS": "A=1 B=2"})
    layout.add_variant("localhost/x/one:v3", "localhost/x/one:v2", {"FAULTS": ""})

    def parts(reference: str) -> tuple[list[str], list[str], object]:
        manifest = json.loads(read(layout, layout.manifests()[reference]["digest"]))
        config = json.loads(read(layout, layout.config_digest(reference)))
        layers = [each["digest"] for each in manifest["layers"]]
        return layers, config["config"]["Env"], config["config"].get("Labels")

    layers, environment, labels = parts("localhost/x/one:1")
    assert (environment, labels) == (["PATH=/"], None)
    assert parts("localhost/x/one:v2") == (layers, ["PATH=/bin", "FAULTS=A=1 B=2"], {VERSION: "v2"})
    assert parts("localhost/x/one:v3") == (layers, ["PATH=/bin", "FAULTS="], {VERSION: "v3"})
    assert len(list(layout.blobs.iterdir())) == blobs + 4


def test_a_variant_may_start_another_program(layout: Layout) -> None:
    blob = layout.blobs / layout.config_digest("localhost/x/one:1").removeprefix("sha256:")
    config = json.loads(blob.read_text())
    config["config"]["Cmd"] = ["an argument of the first program"]
    blob.write_text(json.dumps(config))
    layout.add_variant("localhost/x/two:v2", "localhost/x/one:1", {}, "/bin/two")
    layout.add_variant("localhost/x/two:v3", "localhost/x/two:v2", {})
    for reference in ("localhost/x/two:v2", "localhost/x/two:v3"):
        settings = json.loads(read(layout, layout.config_digest(reference)))["config"]
        assert settings["Entrypoint"] == ["/bin/two"]
        assert "Cmd" not in settings


def test_keep_drops_other_images_and_unused_blobs(layout: Layout) -> None:
    (layout.blobs / "0123").touch()
    layout.keep({"localhost/x/two:1"})
    assert set(layout.manifests()) == {"localhost/x/two:1"}
    assert len(list(layout.blobs.iterdir())) == 3


def test_link_takes_images_over_without_copying(layout: Layout, tmp_path: Path) -> None:
    other = Layout(tmp_path / "other")
    other.create()
    for _round in range(2):
        other.link(layout, {"localhost/x/one:1", "localhost/x/absent:1"})
    assert set(other.manifests()) == {"localhost/x/one:1"}
    assert all(blob.stat().st_nlink == 2 for blob in other.blobs.iterdir())


def test_creating_again_keeps_what_an_interrupted_run_made(layout: Layout) -> None:
    layout.create()
    assert len(layout.manifests()) == 2


def test_an_archive_holds_only_the_images_asked_for(layout: Layout) -> None:
    out = io.BytesIO()
    layout.archive(out, {"localhost/x/two:1"})
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        names = tar.getnames()
        index = tar.extractfile("index.json")
        assert index is not None
        listed = json.load(index)["manifests"]
    assert [each["annotations"][NAME] for each in listed] == ["localhost/x/two:1"]
    assert names[:2] == ["oci-layout", "index.json"]
    assert len(names) == 5
