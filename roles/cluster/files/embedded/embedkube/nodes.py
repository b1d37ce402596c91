"""What a node needs before it starts, and how to get into one that runs."""

from __future__ import annotations

import shutil

from . import golden, images_import, pki
from .config import Artifacts, Cluster, Node, Paths
from .render import node_files

PKI_OF_EVERY_NODE = ("ca.crt", "kube-router.crt", "kube-router.key")
PKI_OF_CONTROL_PLANE = (
    "ca.key", "apiserver.crt", "apiserver.key", "apiserver-kubelet-client.crt", "apiserver-kubelet-client.key",
    "front-proxy-ca.crt", "front-proxy-client.crt", "front-proxy-client.key", "sa.key", "sa.pub",
)  # fmt: skip


def write_config(cluster: Cluster, paths: Paths, node: Node) -> None:
    etc = paths.node_etc(node)
    etc.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in node_files(cluster, node).items():
        (etc / name).parent.mkdir(parents=True, exist_ok=True)
        if not (etc / name).exists() or (etc / name).read_text() != content:
            (etc / name).write_text(content)
    names = [*PKI_OF_EVERY_NODE, *(PKI_OF_CONTROL_PLANE if node.is_control_plane else ())]
    for name in names:
        pki.write_private(etc / "pki" / name, (paths.pki / name).read_bytes())
    for end in ("crt", "key"):
        server = paths.pki / f"{pki.kubelet_server(node)}.{end}"
        pki.write_private(etc / "pki" / f"kubelet-server.{end}", server.read_bytes())
    users = {"kubelet": pki.kubelet_client(node), "kube-proxy": "kube-proxy", "kube-router": "kube-router"}
    if node.is_control_plane:
        users |= {"controller-manager": "controller-manager", "scheduler": "scheduler"}
    for file, subject in users.items():
        text = pki.kubeconfig(paths.pki, subject, cluster.api_url, cluster.name)
        pki.write_private(etc / f"{file}.kubeconfig", text)


def prepare_storage(paths: Paths, node: Node, artifacts: Artifacts) -> None:
    """The node's own /var, with the images already in its containerd."""
    var = paths.node_var(node)
    for folder in ("cache", "lib", "lib/kubelet", "lib/local-path", "log/embedkube", "tmp"):
        (var / folder).mkdir(parents=True, exist_ok=True)
    (var / "tmp").chmod(0o1777)
    for link, target in (("run", "/run"), ("lock", "/run/lock")):
        if not (var / link).is_symlink():
            (var / link).symlink_to(target)
    (paths.node(node) / "root").mkdir(exist_ok=True)
    paths.shared.mkdir(mode=0o755, parents=True, exist_ok=True)
    for unused in (var / "lib" / "cni", var / "lib" / "containerd.partial"):
        shutil.rmtree(unused, ignore_errors=True)
    if not (var / "lib" / "containerd").exists():
        give_images(paths, node, artifacts)


def give_images(paths: Paths, node: Node, artifacts: Artifacts) -> None:
    """Link the prepared images into a new node; where links cannot reach they are imported once it runs."""
    var = paths.node_var(node)
    images_import.write_record(paths, node, {})
    if artifacts.containerd.stat().st_dev != var.stat().st_dev:
        return
    partial = var / "lib" / "containerd.partial"
    golden.clone(artifacts.containerd, partial, paths.logs / "images.log")
    partial.replace(var / "lib" / "containerd")
    images_import.write_record(paths, node, images_import.digests(artifacts.images))
