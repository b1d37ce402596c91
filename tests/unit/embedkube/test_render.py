import configparser
import json
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from embedkube import render
from embedkube.config import Artifacts, Cluster, Node, Paths

THREE = Cluster("demo", nodes=3, api_port=16443, http_port=18080, s3_port=19000)
PATHS = Paths("demo", Path("/cache"), Path("/a state/100%"))
ARTIFACTS = Artifacts(**{field.name: Path("/cache", field.name) for field in fields(Artifacts)})


def procs(cluster: Cluster) -> dict[str, list[Path]]:
    leaves = ["supervisor", "proxy", *(f"{node.name}/node" for node in cluster.all_nodes)]
    return {leaf: [Path(f"/sys/fs/cgroup/pids/embedkube-demo/{leaf}/cgroup.procs")] for leaf in leaves}


def supervisor(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser


@pytest.mark.parametrize("node", THREE.all_nodes)
def test_every_file_of_a_node_parses(node: Node) -> None:
    files = render.node_files(THREE, node)
    tomllib.loads(files["containerd.toml"])
    json.loads(files["cni/10-embedded.conflist"])
    for name in ("kubelet.yaml", "kube-proxy.yaml"):
        assert yaml.safe_load(files[name])["kind"].endswith("Configuration")
    assert "${" not in "".join(text for name, text in files.items() if name != "wait.py")


def test_only_the_first_node_runs_the_control_plane() -> None:
    first, second = (supervisor(render.node_files(THREE, node)["supervisord.conf"]) for node in THREE.all_nodes[:2])
    assert first.has_section("program:etcd")
    assert first.has_section("program:kube-apiserver")
    assert {name for name in second.sections() if name.startswith("program:")} == {
        "program:containerd",
        "program:kubelet",
        "program:kube-proxy",
        "program:kube-router",
    }


def test_two_kubelets_never_share_a_control_group() -> None:
    groups = {yaml.safe_load(render.node_files(THREE, node)["kubelet.yaml"])["cgroupRoot"] for node in THREE.all_nodes}
    assert groups == {"/embedkube-demo/n1", "/embedkube-demo/n2", "/embedkube-demo/n3"}


def test_nodes_know_no_resolver_of_the_machine() -> None:
    assert render.node_files(THREE, Node(1))["resolv.conf"] == ""


@pytest.mark.parametrize(("fsync", "flag"), [(True, False), (False, True)])
def test_etcd_syncs_unless_told_otherwise(fsync: bool, flag: bool) -> None:
    text = render.node_files(Cluster("demo", fsync=fsync), Node(1))["supervisord.conf"]
    assert ("--unsafe-no-fsync" in text) is flag


def test_supervisor_reads_paths_with_blanks_and_percent_signs() -> None:
    text = render.supervisor_config(THREE, PATHS, ARTIFACTS, procs(THREE))
    parsed = supervisor(text)
    assert {"program:proxy", "program:n1", "program:n2", "program:n3"} <= set(parsed.sections())
    assert '"/a state/100%%/demo/nodes/n2"' in parsed["program:n2"]["environment"]


def test_proxy_checks_nodes_only_where_it_has_a_choice() -> None:
    assert "check" not in render.proxy_config(Cluster("demo"))
    assert render.proxy_config(THREE).count("check inter 1s") == 6


def test_proxy_listens_on_loopback_only() -> None:
    binds = [line.split()[1] for line in render.proxy_config(THREE).splitlines() if line.strip().startswith("bind")]
    assert binds == ["127.0.0.1:16443", "127.0.0.1:18080", "127.0.0.1:19000"]


def test_proxy_has_no_port_for_an_absent_s3_server() -> None:
    assert "listen s3" not in render.proxy_config(Cluster("demo", s3_port=0))


@pytest.mark.parametrize(
    ("command", "text"),
    [(["a", "b c"], 'a "b c"'), (["x", "100%"], "x 100%%"), (["x", "a;b"], 'x "a;b"')],
)
def test_quotes_for_supervisor(command: list[str], text: str) -> None:
    assert render.supervisor_quoted(command) == text
