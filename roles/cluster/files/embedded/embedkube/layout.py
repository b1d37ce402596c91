"""An OCI image layout: one-layer images of static binaries, variants of images, and what a layout holds."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import IO, Any

RECIPE = "1"
VERSION_FILE = {"imageLayoutVersion": "1.0.0"}
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
NAME = "org.opencontainers.image.ref.name"
VERSION = "org.opencontainers.image.version"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
CHUNK = 1024 * 1024

Descriptor = dict[str, Any]


class Layout:
    """An OCI layout folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = folder / "blobs" / "sha256"

    def create(self) -> None:
        self.blobs.mkdir(parents=True, exist_ok=True)
        (self.folder / "oci-layout").write_text(json.dumps(VERSION_FILE))
        if not (self.folder / "index.json").exists():
            self._write_manifests([])

    def manifests(self) -> dict[str, Descriptor]:
        """The descriptor of each image by its reference."""
        index = json.loads((self.folder / "index.json").read_text())
        return {each["annotations"][NAME]: each for each in index["manifests"]}

    def link(self, source: Layout, references: Collection[str]) -> None:
        """Take over the images `references` of `source` by hard links."""
        taken = {name: each for name, each in source.manifests().items() if name in references}
        for digest in {digest for each in taken.values() for digest in source._blobs(each)}:
            name = digest.removeprefix("sha256:")
            if not (self.blobs / name).exists():
                (self.blobs / name).hardlink_to(source.blobs / name)
        self._write_manifests(list((self.manifests() | taken).values()))

    def keep(self, references: Collection[str]) -> None:
        """Drop every other image, and every blob that no image left uses."""
        kept = {name: each for name, each in self.manifests().items() if name in references}
        self._write_manifests(list(kept.values()))
        used = {digest for each in kept.values() for digest in self._blobs(each)}
        for blob in self.blobs.iterdir():
            if f"sha256:{blob.name}" not in used:
                blob.unlink()

    def config_digest(self, reference: str) -> str:
        """The digest that a container runtime calls the image's id."""
        return str(self._read(self.manifests()[reference]["digest"])["config"]["digest"])

    def add_binary(self, reference: str, binary: Path) -> None:
        """Add an image that holds nothing but a static program, which is its entry point."""
        layer, uncompressed = self._add_layer(binary)
        config = {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": [f"/{binary.name}"], "Env": ["PATH=/"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [uncompressed]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self._add_json(config, CONFIG_TYPE),
            "layers": [layer],
        }
        self._add_manifest(reference, manifest)

    def add_variant(self, reference: str, original: str, environment: Mapping[str, str], entrypoint: str = "") -> None:
        """Add an image with the layers of `original` that sets `environment` and `entrypoint`; its version is its tag."""
        manifest = self._read(self.manifests()[original]["digest"])
        config = self._read(manifest["config"]["digest"])
        settings = config["config"]
        variables = dict(entry.split("=", 1) for entry in settings.get("Env", [])) | dict(environment)
        settings["Env"] = [f"{name}={value}" for name, value in variables.items()]
        settings["Labels"] = settings.get("Labels", {}) | {VERSION: reference.rpartition(":")[2]}
        if entrypoint:
            settings["Entrypoint"] = [entrypoint]
            # The arguments of the original's own program.
            settings.pop("Cmd", None)
        self._add_manifest(reference, manifest | {"config": self._add_json(config, CONFIG_TYPE)})

    def archive(self, out: IO[bytes], references: Collection[str]) -> None:
        """Write the images `references` as one tar stream, as `ctr images import -` reads it."""
        kept = {name: each for name, each in self.manifests().items() if name in references}
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": list(kept.values())}
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for name, content in (("oci-layout", VERSION_FILE), ("index.json", index)):
                data = json.dumps(content).encode()
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
            for digest in sorted({digest for each in kept.values() for digest in self._blobs(each)}):
                name = digest.removeprefix("sha256:")
                tar.add(self.blobs / name, f"blobs/sha256/{name}")

    def _blobs(self, manifest: Descriptor) -> list[str]:
        content = self._read(manifest["digest"])
        return [manifest["digest"], content["config"]["digest"], *(layer["digest"] for layer in content["layers"])]

    def _read(self, digest: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.blobs / digest.removeprefix("sha256:")).read_text())
        return content

    def _write_manifests(self, manifests: list[Descriptor]) -> None:
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}
        partial = self.folder / "index.json.partial"
        partial.write_text(json.dumps(index))
        partial.rename(self.folder / "index.json")

    def _add_manifest(self, reference: str, manifest: dict[str, Any]) -> None:
        descriptor = self._add_json(manifest, MANIFEST_TYPE) | {"annotations": {NAME: reference}}
        self._write_manifests(list((self.manifests() | {reference: descriptor}).values()))

    def _add_json(self, content: object, media_type: str) -> Descriptor:
        data = json.dumps(content, sort_keys=True).encode()
        digest = hashlib.sha256(data).hexdigest()
        (self.blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def _add_layer(self, binary: Path) -> tuple[Descriptor, str]:
        """Returns the layer's descriptor and the digest of its uncompressed form."""
        partial = self.folder / f"{binary.name}.partial"
        with partial.open("wb") as out:
            compressed = _Digest(out.write)
            with gzip.GzipFile(filename="", mode="wb", compresslevel=1, mtime=0, fileobj=compressed) as packed:
                uncompressed = _Digest(packed.write)
                with tarfile.open(fileobj=uncompressed, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
                    entry = tarfile.TarInfo(binary.name)
                    entry.size, entry.mode = binary.stat().st_size, 0o755
                    with binary.open("rb") as content:
                        tar.addfile(entry, content)
        digest, size = compressed.hexdigest(), partial.stat().st_size
        partial.replace(self.blobs / digest)
        return {
            "mediaType": LAYER_TYPE,
            "digest": f"sha256:{digest}",
            "size": size,
        }, f"sha256:{uncompressed.hexdigest()}"


class _Digest(io.RawIOBase):
    """A file to write to that passes everything on and knows the digest of it."""

    def __init__(self, write: Callable[[bytes], int]) -> None:
        super().__init__()
        self._pass_on = write
        self._sha = hashlib.sha256()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._sha.update(data)
        return self._pass_on(data)

    def hexdigest(self) -> str:
        return self._sha.hexdigest()
