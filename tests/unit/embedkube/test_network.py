from embedkube import network
from embedkube.config import Cluster


def test_no_namespace_gets_a_default_route() -> None:
    text = network.commands(Cluster("demo", nodes=3))
    assert "default" not in text
    assert "0.0.0.0/0" not in text


def test_nodes_reach_the_pods_of_each_other() -> None:
    lines = network.commands(Cluster("demo", nodes=3)).splitlines()
    assert "ip -n demo-n2 route add 10.211.1.0/24 via 10.210.0.11" in lines
    assert "ip -n demo-n2 route add 10.211.3.0/24 via 10.210.0.13" in lines
    assert not any("demo-n2 route add 10.211.2.0/24" in line for line in lines)


def test_a_script_stops_at_its_first_error() -> None:
    assert network.commands(Cluster("demo")).startswith("set -eu\n")
