"""Network namespaces, bridge and routes of one cluster.

No namespace has a default route and none is linked to the machine: nothing of the cluster can leave it.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from .config import NODE_NETWORK, SERVICE_NETWORK, SWITCH_ADDRESS, Cluster, Node
from .run import Bind, Failure, enter_rootfs

NAMESPACES = Path("/run/netns")
BRIDGE_NETFILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
MODULES = ("br_netfilter", "overlay", "veth", "bridge", "ip_tables", "nf_conntrack", "ip_set")


def port_of(node: Node) -> str:
    """The node's end at the switch."""
    return f"port-{node.name}"


def commands(cluster: Cluster) -> str:
    """The shell script that wires fresh namespaces together."""
    switch = cluster.switch_namespace
    prefix = NODE_NETWORK.prefixlen
    lines = [
        f"ip -n {switch} link set lo up",
        f"ip -n {switch} link add br0 type bridge",
        f"ip -n {switch} address add {SWITCH_ADDRESS}/{prefix} dev br0",
        f"ip -n {switch} link set br0 up",
    ]
    for node in cluster.all_nodes:
        name = cluster.network_namespace(node)
        lines += [
            f"ip -n {switch} link add {port_of(node)} type veth peer name eth0 netns {name}",
            f"ip -n {switch} link set {port_of(node)} master br0 up",
            f"ip -n {name} link set lo up",
            f"ip -n {name} address add {node.address}/{prefix} dev eth0",
            f"ip -n {name} link set eth0 up",
            # Without any route a node's own processes could not even try a ClusterIP.
            f"ip -n {name} route add {SERVICE_NETWORK} dev lo src {node.address}",
        ]
        lines += [
            f"ip -n {name} route add {other.pods} via {other.address}" for other in cluster.all_nodes if other != node
        ]
    return "\n".join(["set -eu", *lines, ""])


def create(cluster: Cluster, rootfs: Path) -> None:
    """Make all namespaces of the cluster anew."""
    if not BRIDGE_NETFILTER.exists():
        for module in MODULES:
            subprocess.run(["modprobe", "--quiet", module], check=False, capture_output=True)
    if not BRIDGE_NETFILTER.exists():
        raise Failure(
            "The kernel has no bridge netfilter, which network policies need: load the module br_netfilter "
            "(modprobe br_netfilter) or boot a kernel that has it."
        )
    remove(cluster)
    NAMESPACES.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in namespaces(cluster):
        (NAMESPACES / name).touch()
        _run(["unshare", f"--net={NAMESPACES / name}", "sh", "-c", _SYSCTLS])
    in_rootfs(cluster, rootfs, commands(cluster))


def in_rootfs(cluster: Cluster, rootfs: Path, script: str) -> None:
    """Run a shell script with the rootfs's programs that sees the cluster's network namespaces."""
    binds = [Bind(NAMESPACES / name, str(NAMESPACES / name), writable=True) for name in namespaces(cluster)]
    _run(enter_rootfs(rootfs, ["sh", "-c", script], binds))


def set_link(cluster: Cluster, node: Node, rootfs: Path, up: bool) -> None:
    state = "up" if up else "down"
    in_rootfs(cluster, rootfs, f"ip -n {cluster.switch_namespace} link set {port_of(node)} {state}")


def namespaces(cluster: Cluster) -> list[str]:
    return [cluster.switch_namespace, *(cluster.network_namespace(node) for node in cluster.all_nodes)]


def existing(cluster: Cluster) -> list[str]:
    """Names of this cluster that are there, whatever its number of nodes was when they were made."""
    if not NAMESPACES.is_dir():
        return []
    possible = set(namespaces(Cluster(cluster.name, nodes=9)))
    return sorted(path.name for path in NAMESPACES.iterdir() if path.name in possible)


def complete(cluster: Cluster) -> bool:
    """Whether each namespace is one, and not the empty file that a reboot leaves of it."""
    mounted = {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    return all(str(NAMESPACES / name) in mounted for name in namespaces(cluster))


def remove(cluster: Cluster) -> None:
    for name in existing(cluster):
        # Once for each time it was mounted: an interrupted start may have done so twice.
        while subprocess.run(["umount", str(NAMESPACES / name)], check=False, capture_output=True).returncode == 0:
            pass
        (NAMESPACES / name).unlink(missing_ok=True)


_SYSCTLS = """
for file in /proc/sys/net/ipv6/conf/all/disable_ipv6 /proc/sys/net/ipv6/conf/default/disable_ipv6; do
  if [ -e $file ]; then echo 1 > $file; fi
done
for file in /proc/sys/net/bridge/bridge-nf-call-*; do echo 0 > $file; done
"""


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Failure(
            f"The cluster's network cannot be set up: {said[-1] if said else 'no message'} "
            "(it needs root with CAP_NET_ADMIN and CAP_SYS_ADMIN)."
        )
