"""The text of every configuration file of a cluster. Nothing here touches the machine except to read templates."""

from __future__ import annotations

import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

from .config import (
    API_PORT_IN_CLUSTER,
    CLUSTER_DOMAIN,
    CONTAINERD_SOCKET,
    DNS_SERVICE_ADDRESS,
    EMBEDDED_IMAGES,
    NODE_ETC,
    NODE_LOGS,
    NODE_SUPERVISOR,
    PACKAGE,
    POD_NETWORK,
    S3_NODE_PORT,
    Artifacts,
    Cluster,
    Node,
    Paths,
)
from .programs import programs

TEMPLATES = PACKAGE / "templates"
SCRIPTS = PACKAGE / "scripts"
# They run on the machine and enter the rootfs; wait.py runs in the nodes.
MACHINE_SCRIPTS = ("node-init.sh", "proxy-init.sh")


def render(template: str, values: Mapping[str, object]) -> str:
    return Template((TEMPLATES / template).read_text()).substitute(values)


def open_files() -> int:
    """How many files programs may open: what the machine grants, up to what is useful."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)


def node_files(cluster: Cluster, node: Node) -> dict[str, str]:
    """The node's /etc/kubernetes without keys: file name to content."""
    values = {
        "cgroup": cluster.cgroup,
        "cluster_domain": CLUSTER_DOMAIN,
        "containerd_socket": CONTAINERD_SOCKET,
        "dns_address": DNS_SERVICE_ADDRESS,
        "node_etc": NODE_ETC,
        "node_logs": NODE_LOGS,
        "node_name": node.name,
        "node_supervisor": NODE_SUPERVISOR,
        "open_files": open_files(),
        "pause_image": EMBEDDED_IMAGES["pause"],
        "pod_network": POD_NETWORK,
        "pods": node.pods,
    }
    sections = [
        render(
            "node-program.conf",
            values
            | {"program": item.name, "command": supervisor_quoted(item.command), "stop_seconds": item.stop_seconds},
        )
        for item in programs(cluster, node)
    ]
    hosts = [f"{other.address} {other.name}" for other in cluster.all_nodes]
    return {
        "supervisord.conf": render("node-supervisord.conf", values) + "".join(sections),
        "containerd.toml": render("containerd.toml", values),
        "cni/10-embedded.conflist": render("cni.conflist", values),
        "kubelet.yaml": render("kubelet.yaml", values),
        "kube-proxy.yaml": render("kube-proxy.yaml", values),
        "wait.py": (SCRIPTS / "wait.py").read_text(),
        "hostname": f"{node.name}\n",
        "hosts": "\n".join(["127.0.0.1 localhost", *hosts, ""]),
        # No resolver: names outside of the cluster fail at once instead of after a timeout.
        "resolv.conf": "",
    }


def supervisor_quoted(command: Sequence[str]) -> str:
    """A command line as supervisor reads it, which expands % and takes ; after a space for a comment."""
    return " ".join(f'"{part}"' if " " in part or ";" in part else part for part in command).replace("%", "%%")


def supervisor_values(cluster: Cluster, paths: Paths, artifacts: Artifacts) -> dict[str, object]:
    return {
        "bin": artifacts.bin,
        "logs": paths.logs,
        "open_files": open_files(),
        "pid_file": paths.supervisor_pid,
        "proxy_config": paths.etc / "haproxy.cfg",
        "proxy_root": paths.state / "proxy-root",
        "rootfs": artifacts.rootfs,
        "scripts": paths.etc,
        "shared": paths.shared,
        "socket": paths.supervisor_socket,
        "switch_namespace": cluster.switch_namespace,
    }


def supervisor_config(
    cluster: Cluster, paths: Paths, artifacts: Artifacts, procs_files: Mapping[str, Sequence[Path]]
) -> str:
    """The configuration of the cluster's own supervisord; `procs_files` by control group leaf."""

    def joined(leaf: str) -> str:
        return " ".join(str(file) for file in procs_files[leaf])

    values = supervisor_values(cluster, paths, artifacts)
    escaped = {key: str(value).replace("%", "%%") for key, value in values.items()}
    text = render("supervisord.conf", escaped | {"proxy_procs": joined("proxy")})
    for node in cluster.all_nodes:
        text += render(
            "supervisord-node.conf",
            escaped
            | {
                "node_name": node.name,
                "node_dir": str(paths.node(node)).replace("%", "%%"),
                "network_namespace": cluster.network_namespace(node),
                "node_procs": joined(f"{node.name}/node"),
            },
        )
    return text


def proxy_config(cluster: Cluster) -> str:
    text = render(
        "haproxy.cfg",
        {
            "api_port": cluster.api_port,
            "api_port_in_cluster": API_PORT_IN_CLUSTER,
            "control_plane": cluster.control_plane.name,
            "control_plane_address": cluster.control_plane.address,
            "switch_namespace": cluster.switch_namespace,
        },
    )
    services = [("http", cluster.http_port, cluster.node_port)]
    if cluster.s3_port:
        services.append(("s3", cluster.s3_port, S3_NODE_PORT))
    return text + "".join(_listener(cluster, *service) for service in services)


def _listener(cluster: Cluster, name: str, port: int, node_port: int) -> str:
    """A port of the machine that leads to a NodePort of all nodes."""
    # One node has nothing to fail over to, and checks would only fill the application's log.
    check = " check inter 1s" if cluster.nodes > 1 else ""
    servers = [
        f"  server {node.name} {node.address}:{node_port} namespace {cluster.switch_namespace}{check}"
        for node in cluster.all_nodes
    ]
    return "\n".join(["", f"listen {name}", f"  bind 127.0.0.1:{port}", "  balance roundrobin", *servers, ""])
