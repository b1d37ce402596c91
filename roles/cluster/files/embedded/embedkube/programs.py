"""The programs that each node runs, with their flags."""

from __future__ import annotations

from dataclasses import dataclass

from .config import (
    API_PORT_IN_CLUSTER,
    CLUSTER_DOMAIN,
    CONTAINERD_SOCKET,
    NODE_ETC,
    SERVICE_NETWORK,
    Cluster,
    Node,
)

PKI = NODE_ETC / "pki"


@dataclass(frozen=True)
class NodeProgram:
    name: str
    command: tuple[str, ...]
    stop_seconds: int = 10


def programs(cluster: Cluster, node: Node) -> list[NodeProgram]:
    of_every_node = [_containerd(), _kubelet(cluster, node), _kube_proxy(cluster), _kube_router(cluster, node)]
    if not node.is_control_plane:
        return of_every_node
    return [_etcd(cluster, node), _apiserver(node), _controller_manager(cluster), _scheduler(cluster), *of_every_node]


def _waiting(*needs: str) -> tuple[str, ...]:
    return ("/usr/bin/python3", str(NODE_ETC / "wait.py"), *needs, "--")


def _after_api(cluster: Cluster) -> tuple[str, ...]:
    return _waiting("--url", f"{cluster.api_url}/readyz", "--ca", f"{PKI}/ca.crt")


def _containerd() -> NodeProgram:
    return NodeProgram("containerd", ("/usr/bin/containerd", "--config", f"{NODE_ETC}/containerd.toml"))


def _etcd(cluster: Cluster, node: Node) -> NodeProgram:
    command = [
        "/usr/bin/etcd",
        f"--name={node.name}",
        "--data-dir=/var/lib/etcd",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        f"--initial-cluster={node.name}=http://127.0.0.1:2380",
        "--auto-compaction-retention=1h",
        "--log-level=warn",
    ]
    if not cluster.fsync:
        command.append("--unsafe-no-fsync")
    return NodeProgram("etcd", tuple(command))


def _apiserver(node: Node) -> NodeProgram:
    command = (
        "kube-apiserver",
        f"--advertise-address={node.address}",
        f"--secure-port={API_PORT_IN_CLUSTER}",
        "--etcd-servers=http://127.0.0.1:2379",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--allow-privileged=true",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={PKI}/ca.crt",
        f"--tls-cert-file={PKI}/apiserver.crt",
        f"--tls-private-key-file={PKI}/apiserver.key",
        f"--service-account-issuer=https://kubernetes.default.svc.{CLUSTER_DOMAIN}",
        f"--service-account-key-file={PKI}/sa.pub",
        f"--service-account-signing-key-file={PKI}/sa.key",
        f"--kubelet-certificate-authority={PKI}/ca.crt",
        f"--kubelet-client-certificate={PKI}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={PKI}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--proxy-client-cert-file={PKI}/front-proxy-client.crt",
        f"--proxy-client-key-file={PKI}/front-proxy-client.key",
        f"--requestheader-client-ca-file={PKI}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--profiling=false",
    )
    # It would wait for its watchers for more than 20 s; etcd holds everything that matters.
    return NodeProgram("kube-apiserver", command, stop_seconds=3)


def _controller_manager(cluster: Cluster) -> NodeProgram:
    config = f"{NODE_ETC}/controller-manager.kubeconfig"
    command = (
        *_after_api(cluster),
        "kube-controller-manager",
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--bind-address=127.0.0.1",
        # The default of 20 a second delays each controller of a fresh cluster by seconds.
        "--kube-api-qps=300",
        "--kube-api-burst=600",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={PKI}/sa.key",
        f"--root-ca-file={PKI}/ca.crt",
        f"--cluster-signing-cert-file={PKI}/ca.crt",
        f"--cluster-signing-key-file={PKI}/ca.key",
        # Each node's range is fixed in advance, with its routes.
        "--allocate-node-cidrs=false",
        "--node-monitor-period=2s",
        "--flex-volume-plugin-dir=/var/lib/kubelet/volume-plugins",
        "--horizontal-pod-autoscaler-sync-period=5s",
        "--profiling=false",
    )
    return NodeProgram("kube-controller-manager", command, stop_seconds=3)


def _scheduler(cluster: Cluster) -> NodeProgram:
    config = f"{NODE_ETC}/scheduler.kubeconfig"
    command = (
        *_after_api(cluster),
        "kube-scheduler",
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--bind-address=127.0.0.1",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--leader-elect=false",
        "--profiling=false",
    )
    return NodeProgram("kube-scheduler", command, stop_seconds=3)


def _kubelet(cluster: Cluster, node: Node) -> NodeProgram:
    labels = {
        "topology.kubernetes.io/region": "embedded",
        "topology.kubernetes.io/zone": node.zone,
    }
    command = (
        *_waiting("--socket", str(CONTAINERD_SOCKET), "--url", f"{cluster.api_url}/readyz", "--ca", f"{PKI}/ca.crt"),
        "kubelet",
        f"--config={NODE_ETC}/kubelet.yaml",
        f"--kubeconfig={NODE_ETC}/kubelet.kubeconfig",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
        f"--node-labels={','.join(f'{key}={value}' for key, value in labels.items())}",
    )
    return NodeProgram("kubelet", command)


def _kube_proxy(cluster: Cluster) -> NodeProgram:
    command = (*_after_api(cluster), "kube-proxy", f"--config={NODE_ETC}/kube-proxy.yaml")
    return NodeProgram("kube-proxy", command, stop_seconds=3)


def _kube_router(cluster: Cluster, node: Node) -> NodeProgram:
    """Enforces the network policies; routing and services are left to others."""
    command = (
        # Its rights are an object of the cluster; refused once, it would ask again only after many seconds.
        *_waiting(
            *("--url", f"{cluster.api_url}/apis/networking.k8s.io/v1/networkpolicies?limit=1"),
            *("--ca", f"{PKI}/ca.crt", "--certificate", f"{PKI}/kube-router.crt", "--key", f"{PKI}/kube-router.key"),
        ),
        "kube-router",
        f"--kubeconfig={NODE_ETC}/kube-router.kubeconfig",
        f"--hostname-override={node.name}",
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--health-port=20244",
    )
    return NodeProgram("kube-router", command, stop_seconds=3)
