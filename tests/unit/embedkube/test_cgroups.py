from pathlib import Path

import pytest
from embedkube import cgroups
from embedkube.config import Cluster, Node
from embedkube.run import Failure

V1 = """\
24 1 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw
25 24 0:23 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
26 24 0:24 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
27 24 0:25 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
28 24 0:24 / /mnt/elsewhere/memory rw - cgroup cgroup rw,memory
"""
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_v1_has_a_folder_for_each_controller() -> None:
    found = cgroups.hierarchies(V1)
    assert not found.v2
    assert found.roots == (Path("/sys/fs/cgroup/cpu,cpuacct"), Path("/sys/fs/cgroup/memory"))
    assert found.unused == (Path("/sys/fs/cgroup/unified"),)


def test_v2_has_one() -> None:
    assert cgroups.hierarchies(V2) == cgroups.Hierarchies(True, (Path("/sys/fs/cgroup"),))


def test_says_when_there_are_none() -> None:
    with pytest.raises(Failure, match="No control groups"):
        cgroups.hierarchies("1 0 0:1 / / rw - ext4 /dev/vda rw\n")


def test_makes_and_removes_a_group_for_each_node(tmp_path: Path) -> None:
    for controller in ("cpuset", "memory"):
        (tmp_path / controller).mkdir()
    (tmp_path / "cpuset" / "cpuset.cpus").write_text("0-1\n")
    found = cgroups.Hierarchies(False, (tmp_path / "cpuset", tmp_path / "memory"))
    cluster = Cluster("demo", nodes=2)
    cgroups.create(cluster, found)
    cgroups.create(cluster, found)
    assert (tmp_path / "memory/embedkube-demo/n2/node").is_dir()
    assert cgroups.procs_files(cluster, "proxy", found)[1] == tmp_path / "memory/embedkube-demo/proxy/cgroup.procs"
    cgroups.remove(cluster, found)
    assert not (tmp_path / "memory/embedkube-demo").exists()


def test_a_dead_node_loses_only_the_groups_of_its_pods(tmp_path: Path) -> None:
    group = tmp_path / "embedkube-demo"
    for name in ("n1/kubepods/besteffort/pod1/c1", "n1/node", "n2/kubepods/pod2"):
        (group / name).mkdir(parents=True)
    cgroups.remove_pods(Cluster("demo", nodes=2), Node(1), cgroups.Hierarchies(False, (tmp_path,)))
    assert not (group / "n1/kubepods").exists()
    assert (group / "n1/node").is_dir()
    assert (group / "n2/kubepods/pod2").is_dir()


def test_reads_which_processes_belong_to_a_cluster(tmp_path: Path) -> None:
    folder = tmp_path / "embedkube-demo" / "n1" / "node"
    folder.mkdir(parents=True)
    (folder / "cgroup.procs").write_text("0\n4194300\n4194301\n")
    found = cgroups.Hierarchies(False, (tmp_path,))
    assert cgroups.processes(Cluster("demo"), found) == {4194300, 4194301}
