"""Names, addresses and file locations of an embedded cluster. Nothing here touches the machine."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

KUBERNETES_VERSION = "v1.36.3"
S3_VERSION = "1.8.0"
COLLECTOR_VERSION = "0.160.0"

# What the cluster itself runs as pods; the build makes these images from its own binaries.
EMBEDDED_IMAGES = {
    "pause": "localhost/embedded/pause:1",
    "coredns": "localhost/embedded/coredns:1.14.7",
    "metrics-server": "localhost/embedded/metrics-server:0.9.0",
    "local-path-provisioner": "localhost/embedded/local-path-provisioner:0.0.30",
    # Has a shell: makes and removes the folders of volumes.
    "helper": "localhost/embedded/helper:1",
    "versitygw": f"localhost/embedded/versitygw:{S3_VERSION}",
}

PACKAGE = Path(__file__).resolve().parent
FOLDER = PACKAGE.parent

NODE_NETWORK = IPv4Network("10.210.0.0/24")
POD_NETWORK = IPv4Network("10.211.0.0/16")
SERVICE_NETWORK = IPv4Network("10.212.0.0/16")
SWITCH_ADDRESS = NODE_NETWORK[2]
API_SERVICE_ADDRESS = SERVICE_NETWORK[1]
DNS_SERVICE_ADDRESS = SERVICE_NETWORK[10]
CLUSTER_DOMAIN = "cluster.local"
API_PORT_IN_CLUSTER = 6443
MOST_NODES = 9
S3_NAMESPACE = "embedded-s3"
S3_NODE_PORT = 30970

# Names that the multicall binary `kube` answers to; the build links each of them to it.
KUBE_COMMANDS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)

# Folders and files that a node mounts something onto; the root file system must contain them.
ROOTFS_FOLDERS = ("dev", "etc/kubernetes", "opt/kube/bin", "proc", "run", "srv/shared", "sys", "tmp", "var")
ROOTFS_FILES = ("etc/hostname", "etc/hosts", "etc/resolv.conf")

# Inside a node.
NODE_ETC = Path("/etc/kubernetes")
NODE_SHARED = Path("/srv/shared")
NODE_LOGS = Path("/var/log/embedkube")
NODE_SUPERVISOR = Path("/run/supervisor.sock")
CONTAINERD_SOCKET = Path("/run/containerd/containerd.sock")


def default_cache() -> Path:
    return Path(os.environ.get("HUSTLEX_CACHE") or "~/.cache/hustlex-platform").expanduser()


def default_state() -> Path:
    return Path(os.environ.get("HUSTLEX_STATE") or "~/.local/state/hustlex-platform").expanduser()


@dataclass(frozen=True)
class Paths:
    """Folders on the machine: what can be rebuilt (cache) and what belongs to one cluster (state)."""

    name: str
    cache: Path = field(default_factory=default_cache)
    state_root: Path = field(default_factory=default_state)
    images_dir: Path | None = None

    @property
    def embedded(self) -> Path:
        return self.cache / "embedded"

    @property
    def build_lock(self) -> Path:
        return self.embedded / ".lock"

    @property
    def state(self) -> Path:
        return self.state_root / self.name

    @property
    def lock(self) -> Path:
        return self.state_root / f".{self.name}.lock"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def s3(self) -> Path:
        """How to reach the cluster's S3 server: its authority and its users' credentials."""
        return self.state / "s3"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def bin(self) -> Path:
        """What a user of the cluster has in PATH: kubectl."""
        return self.state / "bin"

    @property
    def etc(self) -> Path:
        return self.state / "etc"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def shared(self) -> Path:
        return self.state / "shared"

    @property
    def supervisor_config(self) -> Path:
        return self.etc / "supervisord.conf"

    @property
    def supervisor_socket(self) -> Path:
        return self.state / "supervisor.sock"

    @property
    def supervisor_pid(self) -> Path:
        return self.state / "supervisord.pid"

    @property
    def applied(self) -> Path:
        """What the running cluster was started with; compared to tell whether a start changes something."""
        return self.state / "applied.json"

    def node(self, node: Node) -> Path:
        return self.state / "nodes" / node.name

    def node_var(self, node: Node) -> Path:
        return self.node(node) / "var"

    def node_etc(self, node: Node) -> Path:
        return self.node(node) / "etc"

    def node_logs(self, node: Node) -> Path:
        return self.node_var(node) / "log" / "embedkube"


@dataclass(frozen=True)
class Artifacts:
    """What the build leaves in the cache, each folder complete or absent."""

    bin: Path
    s3: Path
    collector: Path
    rootfs: Path
    images: Path
    containerd: Path


@dataclass(frozen=True)
class Node:
    number: int

    @property
    def name(self) -> str:
        return f"n{self.number}"

    @property
    def address(self) -> IPv4Address:
        return NODE_NETWORK[10 + self.number]

    @property
    def pods(self) -> IPv4Network:
        return IPv4Network((int(POD_NETWORK[0]) + self.number * 256, 24))

    @property
    def zone(self) -> str:
        return f"zone-{'abc'[(self.number - 1) % 3]}"

    @property
    def is_control_plane(self) -> bool:
        return self.number == 1


@dataclass(frozen=True)
class Cluster:
    """One embedded cluster as asked for."""

    name: str
    nodes: int = 1
    api_port: int = 6443
    http_port: int = 8080
    node_port: int = 30080
    # 0 runs no S3 server.
    s3_port: int = 9000
    fsync: bool = True

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?", self.name):
            raise ValueError(
                f"The cluster name {self.name!r} must be 1 to 20 lower case letters, digits and hyphens, "
                "starting with a letter."
            )
        if not 1 <= self.nodes <= MOST_NODES:
            raise ValueError(f"The number of nodes must be 1 to {MOST_NODES}, not {self.nodes}.")
        ports = {"api_port": self.api_port, "http_port": self.http_port}
        if self.s3_port != 0:
            ports["s3_port"] = self.s3_port
        for option, port in ports.items():
            if not 1 <= port <= 65535:
                raise ValueError(f"{option} must be a port number from 1 to 65535, not {port}.")
            same = [other for other in ports if other < option and ports[other] == port]
            if same:
                raise ValueError(f"{same[0]} and {option} are both {port}; they must differ.")
        if not 30000 <= self.node_port <= 32767 or self.node_port == S3_NODE_PORT:
            raise ValueError(f"node_port must be 30000 to 32767 and not {S3_NODE_PORT}, not {self.node_port}.")

    @property
    def all_nodes(self) -> list[Node]:
        return [Node(number) for number in range(1, self.nodes + 1)]

    @property
    def control_plane(self) -> Node:
        return Node(1)

    @property
    def api_url(self) -> str:
        """The API server as the nodes reach it."""
        return f"https://{self.control_plane.address}:{API_PORT_IN_CLUSTER}"

    @property
    def local_url(self) -> str:
        """The API server as the machine reaches it."""
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def s3_url(self) -> str:
        """The S3 server as the machine reaches it; its certificate names localhost."""
        return f"https://localhost:{self.s3_port}"

    @property
    def switch_namespace(self) -> str:
        return f"{self.name}-switch"

    def network_namespace(self, node: Node) -> str:
        return f"{self.name}-{node.name}"

    @property
    def cgroup(self) -> str:
        return f"embedkube-{self.name}"
