"""Make everything that the embedded cluster needs, once, in the cache."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from . import gobuild, golden, images, rootfs, run
from .config import FOLDER, Artifacts, Paths
from .layout import Layout

GIB = 1024**3
# Free disk space that the images need while they are made, generously.
IMAGES_BYTES = 4 * GIB
FACTS = "images.json"
KEYED = ("base-*", *(f"{module.name}-*" for module in gobuild.MODULES), "rootfs-*", "images-*", "containerd-*")
LEFTOVERS = ("compile*", "go-*", "settings-*", "golden-*", "*.partial")
# Every change of an image leaves old layers; beyond this the next build starts anew.
MOST_LAYERS_BYTES = 3 * GIB
LEAST_BYTES = GIB // 4


@dataclass(frozen=True)
class Plan:
    """What there must be in the cache, and the key of each image."""

    paths: Paths
    base: Path
    artifacts: Artifacts
    table: list[images.Image]
    sources: dict[str, str]

    @property
    def folder(self) -> Path:
        return images_folder(self.paths)

    @cached_property
    def logs(self) -> Path:
        return self.paths.embedded / "logs"

    @property
    def storage(self) -> Path:
        return self.paths.embedded / "buildah"

    def is_complete(self) -> bool:
        return all(path.exists() for path in vars(self.artifacts).values())

    def missing_modules(self) -> list[tuple[gobuild.Module, Path]]:
        """What is to be compiled, and where to."""
        wanted = [(module, self.folder_of(module)) for module in gobuild.MODULES]
        return [(module, target) for module, target in wanted if not target.exists()]

    def folder_of(self, module: gobuild.Module) -> Path:
        folder: Path = getattr(self.artifacts, module.name)
        return folder


def images_folder(paths: Paths) -> Path:
    return paths.images_dir or FOLDER.parents[3] / "images"


def plan(paths: Paths) -> Plan:
    """Compute every key; reads the sources, changes nothing."""
    cache = paths.embedded
    folder = images_folder(paths)
    table = images.table(folder)
    module_keys = {module.name: module.key() for module in gobuild.MODULES}
    binary_keys = {name: module_keys[module.name] for module in gobuild.MODULES for name in module.binaries}
    base_key, rootfs_key = rootfs.base_key(), rootfs.rootfs_key()
    sources = images.sources(table, folder, base_key, binary_keys)
    images_key = run.digest(json.dumps(sources, sort_keys=True))
    return Plan(
        paths=paths,
        base=cache / f"base-{base_key}.tar",
        artifacts=Artifacts(
            **{name: cache / f"{name}-{key}" for name, key in module_keys.items()},
            rootfs=cache / f"rootfs-{rootfs_key}",
            images=cache / f"images-{images_key}",
            containerd=cache / f"containerd-{images_key}",
        ),
        table=table,
        sources=sources,
    )


def artifacts(paths: Paths) -> Artifacts:
    """Where the build leaves its results; they need not exist yet."""
    return plan(paths).artifacts


def image_facts(folder: Path) -> dict[str, dict[str, str]]:
    """For each image of an images folder: source (its key), manifest and config (digests)."""
    facts: dict[str, dict[str, str]] = json.loads((folder / FACTS).read_text())
    return facts


def build(paths: Paths) -> Artifacts:
    """Make what is missing, step by step; returns at once when nothing is."""
    wanted = plan(paths)
    if wanted.is_complete():
        return wanted.artifacts
    with run.plain_errors(paths.embedded), run.locked(paths.build_lock, "the build of the embedded cluster"):
        # What another run made while this one waited counts.
        wanted = plan(paths)
        if not wanted.is_complete():
            _check_space(wanted)
            _Build(wanted).execute()
            _remove_old(wanted)
    return wanted.artifacts


def _check_space(wanted: Plan) -> None:
    cache = wanted.paths.embedded
    compiled = run.tree_bytes(cache / gobuild.CACHE)
    needed = 0
    for module, _target in wanted.missing_modules():
        needed = max(needed, module.space - compiled - run.tree_bytes(cache / module.work))
    if not wanted.artifacts.containerd.exists():
        needed += IMAGES_BYTES - run.tree_bytes(wanted.storage)
    needed = max(needed, LEAST_BYTES)
    free = run.free_bytes(cache)
    if free < needed:
        raise run.Failure(
            f"The build needs {needed / GIB:.1f} GiB of disk space in {cache}, most of it only while it runs, "
            f"and {free / GIB:.1f} GiB are free: free some or set HUSTLEX_CACHE to a folder on a larger disk."
        )


class _Build:
    """The steps of one build; Debian and images are made while the compiler runs."""

    def __init__(self, wanted: Plan) -> None:
        self.plan = wanted
        self.made = wanted.artifacts
        self.layout = Layout(self.made.images.with_name(f"{self.made.images.name}.partial"))
        self.previous = _previous(wanted)
        modules = 2 * len(wanted.missing_modules())
        steps = sum(steps for path, steps in self._steps() if not path.exists())
        self.progress = run.Progress(steps + modules + (1 if modules else 0))
        self.compiled: Future[None] = Future()

    def _steps(self) -> list[tuple[Path, int]]:
        """What is to be made besides programs and in how many steps."""
        return [
            (self.plan.base, 1),
            (self.made.rootfs, 1),
            (self.made.images, 2),
            (self.made.containerd, 1),
        ]

    def execute(self) -> None:
        run.PROGRAMS.allow()
        with ThreadPoolExecutor(max_workers=2) as pool:
            self.compiled = pool.submit(self._compile)
            parts = [self.compiled, pool.submit(self._make_images)]
            try:
                wait(parts, return_when=FIRST_EXCEPTION)
            finally:
                # Something still runs here only if a part failed or the user interrupted.
                if not all(part.done() for part in parts):
                    run.PROGRAMS.stop()
        failures = [error for part in parts if (error := part.exception())]
        if failures:
            raise next((error for error in failures if not isinstance(error, run.Stopped)), failures[0])

    def _compile(self) -> None:
        missing = self.plan.missing_modules()
        if not missing:
            return
        log = self.plan.logs / "compile.log"
        with self.progress.step(f"Install Go {gobuild.go_version()}"):
            toolchain = gobuild.install_toolchain(self.plan.paths.embedded, log)
        for module, target in missing:
            go = gobuild.GoBuild(module, toolchain, log)
            with self.progress.step(f"Download the sources of {module.title}") as step:
                packages = go.download(step)
            with self.progress.step(f"Compile {module.title}") as step:
                go.compile(step, packages, target)
        run.remove(toolchain)
        run.remove(self.plan.paths.embedded / gobuild.CACHE)

    def _make_images(self) -> None:
        if not self.plan.base.exists():
            with self.progress.step(f"Make a Debian base ({rootfs.SUITE})"):
                rootfs.make_base(self.plan.base, self.plan.logs)
        if not self.made.rootfs.exists():
            with self.progress.step("Make the nodes' root file system with containerd, etcd and HAProxy"):
                rootfs.make_rootfs(self.plan.base, self.made.rootfs, self.plan.logs)
        if not self.made.images.exists():
            self._make_layout()
        if not self.made.containerd.exists():
            with self.progress.step("Import the images into containerd"):
                self._import_images()

    def _make_layout(self) -> None:
        kept = self._start_layout()
        changed = [image for image in self.plan.table if image.reference not in kept]
        with self.progress.step("Build the images") as step:
            self._build_images([image for image in changed if image.context], step)
        self.compiled.result()
        binaries = {name: self.plan.folder_of(module) / name for module in gobuild.MODULES for name in module.binaries}
        with self.progress.step("Pack the compiled programs into images"):
            for image in changed:
                if image.binary:
                    self.layout.add_binary(image.reference, binaries[image.binary])
                elif image.variant_of:
                    self.layout.add_variant(image.reference, image.variant_of, image.environment, image.entrypoint)
            self.layout.keep(self.plan.sources)
            self._write_facts()
        self.layout.folder.rename(self.made.images)

    def _start_layout(self) -> set[str]:
        """Begin with the images of the last build that are as wanted; returns their references."""
        self.layout.create()
        if not self.previous:
            return set()
        facts = image_facts(self.previous.images)
        kept = {name for name, source in self.plan.sources.items() if facts.get(name, {}).get("source") == source}
        self.layout.link(Layout(self.previous.images), kept)
        return kept

    def _build_images(self, changed: list[images.Image], step: run.Step) -> None:
        if not changed:
            return
        log = self.plan.logs / "images.log"
        if run.tree_bytes(self.plan.storage) > MOST_LAYERS_BYTES:
            run.remove(self.plan.storage)
        with rootfs.settings(self.plan.paths.embedded) as settings:
            builder = images.Builder(self.made.rootfs, self.plan.storage, self.plan.folder, settings, log)
            step.detail = "base"
            builder.make_base(self.plan.base)
            # A base that did not change is quickly made of its layers, or anew where these are gone.
            wanted = images.with_bases(changed, self.plan.table)
            for number, image in enumerate(wanted, 1):
                step.detail = f"{number} of {len(wanted)}, {image.reference}"
                builder.build(image)
                if image in changed:
                    builder.export(image, self.layout.folder)

    def _write_facts(self) -> None:
        facts = {
            name: {
                "source": self.plan.sources[name],
                "manifest": descriptor["digest"],
                "config": self.layout.config_digest(name),
            }
            for name, descriptor in self.layout.manifests().items()
        }
        (self.layout.folder / FACTS).write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n")

    def _import_images(self) -> None:
        wanted = image_facts(self.made.images)
        there = image_facts(self.previous.images) if self.previous else {}
        golden.make(
            self.made.rootfs,
            Layout(self.made.images),
            self.made.containerd,
            self.plan.logs / "images.log",
            previous=self.previous.containerd if self.previous else None,
            add=changed_images(wanted, there),
            remove=sorted(there.keys() - wanted.keys()),
        )


def changed_images(wanted: Mapping[str, dict[str, str]], there: Mapping[str, dict[str, str]]) -> list[str]:
    """The images whose content is not there yet."""
    return [name for name in sorted(wanted) if there.get(name, {}).get("manifest") != wanted[name]["manifest"]]


@dataclass(frozen=True)
class _Previous:
    images: Path
    containerd: Path


def _previous(wanted: Plan) -> _Previous | None:
    """The images of the last complete build, imported with the same containerd."""
    found = []
    for images_made in wanted.paths.embedded.glob("images-*"):
        containerd = images_made.with_name(images_made.name.replace("images-", "containerd-"))
        if images_made != wanted.artifacts.images and (images_made / FACTS).exists() and containerd.exists():
            found.append(_Previous(images_made, containerd))
    return max(found, key=lambda each: each.images.stat().st_mtime, default=None)


def _remove_old(wanted: Plan) -> None:
    """Remove what earlier builds left and no running node uses."""
    current = {wanted.base, *vars(wanted.artifacts).values()}
    used = run.mounted_names()
    for pattern in (*KEYED, *LEFTOVERS):
        for path in wanted.paths.embedded.glob(pattern):
            if path not in current and path.name not in used:
                run.remove(path)
