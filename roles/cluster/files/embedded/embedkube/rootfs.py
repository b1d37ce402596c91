"""The Debian base of the images and, on top of it, the root file system that the nodes run in.

Nothing is installed on the machine: the tool that makes them is unpacked from its package into a folder.
"""

from __future__ import annotations

import ast
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import run
from .config import ROOTFS_FILES, ROOTFS_FOLDERS
from .run import Bind

SUITE = "trixie"
MIRROR_VARIABLE = "HUSTLEX_DEBIAN_MIRROR"
TOOL_PACKAGES = ("mmdebstrap", "debian-archive-keyring")
NODE_PACKAGES = (
    "buildah",
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "etcd-server",
    "haproxy",
    "iproute2",
    "ipset",
    "iptables",
    "mount",
    "netavark",
    "procps",
    "runc",
    "supervisor",
)
LEFT_OUT = (
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/usr/libexec/buildah/*",
)
# Places that a build may cover with this machine's settings, so that none of them ends up in an image.
SETTINGS_FOLDER = "/run/build"
PIP_SETTINGS = "/etc/pip.conf"
APT_SETTINGS = "/etc/apt/apt.conf.d/99build"
CA_IN_ROOTFS = "/etc/ssl/certs/ca-certificates.crt"
PIP_OPTIONS = ("extra-index-url", "index-url", "proxy", "timeout", "trusted-host")
# Mount points of what builds images and imports them.
BUILD_FOLDERS = ("var/lib/containerd", "var/lib/containers", "var/tmp")
RECIPE = "1"


def base_key() -> str:
    return run.digest(RECIPE, SUITE, platform.machine(), *LEFT_OUT)


def rootfs_key() -> str:
    return run.digest(base_key(), *NODE_PACKAGES, "/", *ROOTFS_FOLDERS, "/", *ROOTFS_FILES, "/", *BUILD_FOLDERS)


def make_base(target: Path, logs: Path) -> None:
    """Make the tar archive `target` of a minimal Debian."""
    tools = target.parent / "tools.partial"
    work = target.parent / "base.partial"
    for leftover in (tools, work):
        run.remove(leftover)
        leftover.mkdir(parents=True)
    log = logs / "debian.log"
    _unpack_tools(tools, log)
    main, security = mirrors()
    archive = work / "base.tar"
    with tempfile.TemporaryDirectory(prefix="embedkube-") as keys:
        # apt checks signatures as a user who may not look into the cache.
        Path(keys).chmod(0o755)
        for name in (tools / "usr/share/keyrings").glob(f"debian-archive-{SUITE}*"):
            shutil.copy(name, keys)
        run.call(
            run.contained(
                [
                    *("perl", str(tools / "usr/bin/mmdebstrap"), "--mode=root", "--variant=minbase"),
                    *("--format=tar", f"--keyring={keys}", "--dpkgopt=force-unsafe-io"),
                    *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
                    *(f"--aptopt={line}" for line in apt_settings(str(run.ca_bundle() or ""))),
                    *(f"--customize-hook={command}" for command in _base_hooks()),
                    *(SUITE, str(archive)),
                    f"deb {main} {SUITE} main",
                    f"deb {main} {SUITE}-updates main",
                    f"deb {security} {SUITE}-security main",
                ]
            ),
            what="Making the Debian base",
            log=log,
            env={**os.environ, "PATH": f"{tools}/usr/bin:{run.PATH}", "TMPDIR": str(work), "LC_ALL": "C.UTF-8"},
        )
    archive.rename(target)
    for leftover in (tools, work):
        run.remove(leftover)


def _base_hooks() -> Iterator[str]:
    yield f'mkdir -p "$1{SETTINGS_FOLDER}"'
    yield 'rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"'
    for name in (PIP_SETTINGS, APT_SETTINGS):
        yield f': > "$1{name}"'


def _unpack_tools(folder: Path, log: Path) -> None:
    packages = [name for name in TOOL_PACKAGES if name != "mmdebstrap" or not shutil.which("mmdebstrap")]
    if "mmdebstrap" not in packages:
        (folder / "usr/bin").mkdir(parents=True)
        (folder / "usr/bin/mmdebstrap").symlink_to(shutil.which("mmdebstrap") or "")
    download = ["apt-get", "download", "--quiet", *packages]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        run.call(download, what="Downloading mmdebstrap", log=log, cwd=folder, env=environment)
    except run.Failure:
        # The machine's package lists may be absent or older than the archive.
        update = ["apt-get", "update", "--quiet"]
        run.call(update, what="Refreshing the package lists", log=log, env=environment)
        run.call(download, what="Downloading mmdebstrap", log=log, cwd=folder, env=environment)
    for package in folder.glob("*.deb"):
        run.call(["dpkg-deb", "--extract", str(package), str(folder)], what=f"Unpacking {package.name}", log=log)


def make_rootfs(base: Path, target: Path, logs: Path) -> None:
    """Make the folder `target`: the base with what a node runs and what builds images."""
    log = logs / "debian.log"
    partial = target.with_name(f"{target.name}.partial")
    run.remove(partial)
    partial.mkdir(parents=True)
    unpack = ["tar", "--extract", "--numeric-owner", f"--directory={partial}", f"--file={base}"]
    run.call(unpack, what="Unpacking the Debian base", log=log)
    for name in (*ROOTFS_FOLDERS, *BUILD_FOLDERS):
        (partial / name).mkdir(parents=True, exist_ok=True)
    for name in ROOTFS_FILES:
        (partial / name).touch()
    # Nothing may start while it is being installed.
    policy = partial / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    with settings(partial.parent) as folder:
        binds = [*network_binds(), Bind(folder, SETTINGS_FOLDER), Bind(folder / "apt.conf", APT_SETTINGS)]
        environment = {**run.proxy_environment(), "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        apt = ["apt-get", "--quiet", "--yes"]
        for arguments in (["update"], ["install", "--no-install-recommends", *NODE_PACKAGES]):
            command = run.enter_rootfs(partial, [*apt, *arguments], binds, environment, writable=True)
            run.call(command, what="Installing the node's packages", log=log)
    policy.unlink()
    for pattern in ("var/lib/apt/lists/*", "var/cache/apt/*.bin", "var/cache/apt/archives/*.deb", "var/log/*.log"):
        for leftover in partial.glob(pattern):
            run.remove(leftover)
    # A CA bundle of the machine is bound over this file, with or without the package's own content.
    (partial / CA_IN_ROOTFS.lstrip("/")).touch()
    partial.rename(target)


def network_binds() -> list[Bind]:
    """What a program inside needs to reach the network as the machine does."""
    resolv = Path("/etc/resolv.conf").resolve()
    return [Bind(resolv, "/etc/resolv.conf")] if resolv.is_file() else []


@contextmanager
def settings(parent: Path) -> Iterator[Path]:
    """A folder with this machine's ways to the package registries: ca.crt, pip.conf and apt.conf."""
    with tempfile.TemporaryDirectory(prefix="settings-", dir=parent) as name:
        folder = Path(name)
        folder.chmod(0o755)
        bundle = run.ca_bundle()
        (folder / "ca.crt").write_bytes(bundle.read_bytes() if bundle else b"")
        certificates = f"{SETTINGS_FOLDER}/ca.crt" if bundle else ""
        (folder / "apt.conf").write_text("".join(f"{line}\n" for line in apt_settings(certificates)))
        (folder / "pip.conf").write_text(pip_settings(_pip_config(), certificates))
        yield folder


def apt_settings(certificates: str) -> list[str]:
    """Lines of apt.conf: this machine's proxies, its certificates, three tries."""
    lines = ['Acquire::Retries "3";', 'Acquire::Languages "none";']
    if certificates:
        lines.append(f'Acquire::https::CAInfo "{certificates}";')
    return lines + [line for line in _apt_config() if re.match(r'Acquire::\w+::Proxy(::\S+)? "', line, re.IGNORECASE)]


def _apt_config() -> list[str]:
    return _output(["apt-config", "dump"])


def _pip_config() -> list[str]:
    return _output([sys.executable, "-m", "pip", "config", "list"])


def pip_settings(listed: Sequence[str], certificates: str) -> str:
    """A pip.conf from what `pip config list` says; the environment wins over the user over the machine."""
    rank = {"global": 0, "install": 1, ":env:": 2}
    found: dict[str, tuple[int, str]] = {}
    for line in listed:
        match = re.fullmatch(r"(global|install|:env:)\.([a-z-]+)=('.*'|\".*\")", line.strip())
        if match and match[2] in PIP_OPTIONS and found.get(match[2], (-1, ""))[0] <= rank[match[1]]:
            found[match[2]] = (rank[match[1]], str(ast.literal_eval(match[3])))
    options = {name: value for name, (_priority, value) in sorted(found.items())}
    if certificates:
        options["cert"] = certificates
    return "[global]\n" + "".join(f"{name} = {_continued(value)}\n" for name, value in options.items())


def _continued(value: str) -> str:
    return "\n    ".join(value.split())


def mirrors() -> tuple[str, str]:
    """Debian's archive and its security archive as this machine reaches them."""
    form = "$(CODENAME) $(ORIGIN) $(REPO_URI)"
    return chosen_mirrors(_output(["apt-get", "indextargets", "--format", form]))


def chosen_mirrors(targets: Sequence[str]) -> tuple[str, str]:
    """Pick the mirrors from lines of `codename origin uri`; a variable names one where the machine has none."""
    main, security = os.environ.get(MIRROR_VARIABLE, "").rstrip("/"), ""
    for line in targets:
        codename, _space, rest = line.partition(" ")
        origin, _space, uri = rest.partition(" ")
        if origin != "Debian" or not uri.startswith(("http://", "https://")):
            continue
        if codename.endswith("-security"):
            security = uri.rstrip("/")
        elif "-" not in codename:
            main = uri.rstrip("/")
    if not main:
        raise run.Failure(
            f"apt of this machine knows no mirror of Debian: set {MIRROR_VARIABLE} to the address of one."
        )
    return main, security or f"{main}-security"


def _output(argv: Sequence[str]) -> list[str]:
    """What a program says about this machine; nothing where it is missing or fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
