"""The table of images: which there are, when one must be built anew, and how it is built without a registry."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from . import layout, run
from .rootfs import APT_SETTINGS, PIP_SETTINGS, SETTINGS_FOLDER, network_binds
from .run import Bind

TABLE = "embedded/images.yml"
BASE = "localhost/embedded/base:trixie"
BASE_CONTAINERFILE = "embedded/base/Containerfile"
NOT_CONTENT = ("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache")
KINDS = ("context", "binary", "variant_of")
FIELDS = {"name", "tag", *KINDS, "containerfile", "contexts", "arguments", "environment", "entrypoint"}
# Fast to pack and to unpack, and half the size of gzip's fastest level.
COMPRESSION = ("--compression-format=zstd", "--compression-level=3")


@dataclass(frozen=True)
class Image:
    """One row of the table; one of `context`, `binary` and `variant_of` is set."""

    reference: str
    context: str = ""
    containerfile: str = "Containerfile"
    binary: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    # The image whose layers it has, and what it sets in place of that image's environment variables and program.
    variant_of: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    entrypoint: str = ""
    # More folders to copy from: their names in the Containerfile, and where they are beside the context's folder.
    contexts: Mapping[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The image that it is built on."""
        return self.arguments.get("BASE", BASE)


def table(folder: Path) -> list[Image]:
    """The images of `folder`/embedded/images.yml."""
    rows = yaml.safe_load((folder / TABLE).read_text(encoding="utf-8")) or []
    found = [_image(row) for row in rows]
    references = [image.reference for image in found]
    twice = sorted({reference for reference in references if references.count(reference) > 1})
    if twice:
        raise run.Failure(f"{TABLE} lists {', '.join(twice)} more than once.")
    return found


def _image(row: dict[str, Any]) -> Image:
    where = f"{TABLE}, {row.get('name', row)!s}"
    unknown = sorted(row.keys() - FIELDS)
    if unknown:
        raise run.Failure(f"{where}: unknown field {', '.join(unknown)}; known are {', '.join(sorted(FIELDS))}.")
    if not row.get("name") or not row.get("tag"):
        raise run.Failure(f"{where}: an image needs name and tag.")
    if sum(bool(row.get(kind)) for kind in KINDS) != 1:
        raise run.Failure(f"{where}: an image needs either context or binary or variant_of.")
    return Image(
        reference=f"{row['name']}:{row['tag']}",
        context=row.get("context", ""),
        containerfile=row.get("containerfile", "Containerfile"),
        binary=row.get("binary", ""),
        variant_of=row.get("variant_of", ""),
        environment=_texts(row.get("environment")),
        entrypoint=row.get("entrypoint", ""),
        arguments=_texts(row.get("arguments")),
        contexts=dict(row.get("contexts") or {}),
    )


def _texts(values: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (values or {}).items()}


def sources(images: Iterable[Image], folder: Path, base_key: str, binary_keys: Mapping[str, str]) -> dict[str, str]:
    """For each image a key that changes with everything it is made of; `binary_keys` are those of compiled programs."""
    bases = {BASE: run.digest(base_key, (folder / BASE_CONTAINERFILE).read_bytes())}
    contexts: dict[str, str] = {}
    keys: dict[str, str] = {}
    for image in images:
        if image.binary:
            if image.binary not in binary_keys:
                raise run.Failure(f"{TABLE}: {image.reference} holds {image.binary}, which nothing compiles.")
            keys[image.reference] = run.digest(image.binary, binary_keys[image.binary], layout.RECIPE)
            continue
        if image.variant_of:
            if image.variant_of not in keys:
                raise run.Failure(f"{TABLE}: {image.reference} must come after {image.variant_of}.")
            environment = json.dumps(dict(image.environment), sort_keys=True)
            original = keys[image.variant_of]
            keys[image.reference] = run.digest(original, environment, image.entrypoint, layout.RECIPE)
            continue
        if image.context not in contexts:
            contexts[image.context] = context_key(folder / image.context)
        if image.base not in bases | keys:
            raise run.Failure(f"{TABLE}: {image.reference} must come after its base {image.base}.")
        arguments = json.dumps(dict(image.arguments), sort_keys=True)
        more = [part for name, path in image.contexts.items() for part in (name, context_key(folder / path))]
        base = (bases | keys)[image.base]
        keys[image.reference] = run.digest(base, contexts[image.context], image.containerfile, arguments, *more)
    return keys


def with_bases(changed: Iterable[Image], images: Iterable[Image]) -> list[Image]:
    """The changed images in the table's order, and before each the image of the table that it is built on."""
    wanted = {image.reference for image in changed}
    table = list(images)
    for image in reversed(table):
        if image.reference in wanted and image.context:
            wanted.add(image.base)
    return [image for image in table if image.reference in wanted and image.context]


def context_key(context: Path) -> str:
    """A key of the names, modes and contents of all files below `context`."""
    if not context.is_dir():
        raise run.Failure(f"{context}, the context of an image, is not a folder.")
    parts: list[str | bytes] = []
    for file in sorted(path for path in context.rglob("*") if not set(path.parts) & set(NOT_CONTENT)):
        if file.is_symlink():
            parts += [str(file.relative_to(context)), "link", str(file.readlink())]
        elif file.is_file():
            executable = "x" if file.stat().st_mode & 0o100 else "-"
            parts += [str(file.relative_to(context)), executable, file.read_bytes()]
    return run.digest(*parts)


def _limits() -> list[str]:
    """Keep this process's own limits: buildah would raise them, which not every machine allows."""
    limits = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    found = {name: resource.getrlimit(limit) for name, limit in limits.items()}
    return [f"--ulimit={name}={soft}:{hard}" for name, (soft, hard) in found.items()]


class Builder:
    """Buildah in the node's root file system, with its storage in `storage`."""

    def __init__(self, rootfs: Path, storage: Path, folder: Path, settings: Path, log: Path) -> None:
        self.rootfs = rootfs
        self.storage = storage
        self.folder = folder
        self.settings = settings
        self.log = log

    def make_base(self, archive: Path) -> None:
        context = Bind(archive, "/run/base/base.tar")
        containerfile = f"/run/images/{BASE_CONTAINERFILE}"
        command = ["build", "--layers", f"--file={containerfile}", f"--tag={BASE}", "/run/base"]
        self._buildah(command, "Building the base image", [context])

    def build(self, image: Image) -> None:
        context = f"/run/images/{image.context}"
        contexts = {
            name: Bind((self.folder / path).resolve(), f"/run/contexts/{name}") for name, path in image.contexts.items()
        }
        mounts = {
            SETTINGS_FOLDER: SETTINGS_FOLDER,
            PIP_SETTINGS: f"{SETTINGS_FOLDER}/pip.conf",
            APT_SETTINGS: f"{SETTINGS_FOLDER}/apt.conf",
        }
        self._buildah(
            [
                *("build", "--layers", "--pull=never", *_limits()),
                *(f"--volume={source}:{target}:ro" for target, source in mounts.items()),
                f"--build-arg=BASE={image.base}",
                *(f"--build-arg={name}={value}" for name, value in image.arguments.items() if name != "BASE"),
                *(f"--build-context={name}={folder.target}" for name, folder in contexts.items()),
                *(f"--file={context}/{image.containerfile}", f"--tag={image.reference}", context),
            ],
            f"Building image {image.reference}",
            contexts.values(),
        )

    def export(self, image: Image, target: Path) -> None:
        """Add an image to the OCI layout `target`."""
        self._buildah(
            ["push", *COMPRESSION, image.reference, f"oci:/run/layout:{image.reference}"],
            f"Exporting image {image.reference}",
            [Bind(target, "/run/layout", writable=True)],
        )

    def _buildah(self, arguments: list[str], what: str, binds: Iterable[Bind] = ()) -> None:
        for name in ("containers", "tmp"):
            (self.storage / name).mkdir(parents=True, exist_ok=True)
        everywhere = [
            *network_binds(),
            Bind(self.folder, "/run/images"),
            Bind(self.settings, SETTINGS_FOLDER),
            Bind(self.storage / "containers", "/var/lib/containers", writable=True),
            Bind(self.storage / "tmp", "/var/tmp", writable=True),  # noqa: S108 - buildah's own place
        ]
        environment = {
            **run.proxy_environment(),
            "BUILDAH_ISOLATION": "chroot",
            "HOME": "/tmp",  # noqa: S108 - empty in there
            "STORAGE_DRIVER": "overlay",
        }
        command = run.enter_rootfs(self.rootfs, ["buildah", *arguments], [*everywhere, *binds], environment)
        run.call(command, what=what, log=self.log)
