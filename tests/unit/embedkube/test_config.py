import pytest
from embedkube.config import NODE_NETWORK, POD_NETWORK, SERVICE_NETWORK, Cluster, Node


@pytest.mark.parametrize("name", ["", "Hustlex", "-a", "a-", "1a", "a" * 21, "a/b", "a b", "../x"])
def test_refuses_names_that_are_no_part_of_a_path_or_namespace(name: str) -> None:
    with pytest.raises(ValueError, match="cluster name"):
        Cluster(name)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"nodes": 0}, "1 to 9"),
        ({"nodes": 10}, "1 to 9"),
        ({"api_port": 0}, "api_port"),
        ({"http_port": 70000}, "http_port"),
        ({"api_port": 8080}, "must differ"),
        ({"s3_port": 8080}, "http_port and s3_port are both 8080"),
        ({"s3_port": -1}, "s3_port"),
        ({"node_port": 8080}, "node_port"),
        ({"node_port": 30970}, "not 30970"),
    ],
)
def test_refuses_impossible_settings(settings: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Cluster("hustlex", **settings)  # type: ignore[arg-type]


def test_addresses_of_nodes_and_pods_never_overlap() -> None:
    nodes = Cluster("hustlex", nodes=9).all_nodes
    assert len({node.address for node in nodes}) == 9
    assert len({node.pods for node in nodes}) == 9
    for node in nodes:
        assert node.address in NODE_NETWORK
        assert node.pods.subnet_of(POD_NETWORK)
    assert not NODE_NETWORK.overlaps(POD_NETWORK)
    assert not POD_NETWORK.overlaps(SERVICE_NETWORK)


def test_zones_take_turns() -> None:
    assert [Node(number).zone for number in (1, 2, 3, 4)] == ["zone-a", "zone-b", "zone-c", "zone-a"]
