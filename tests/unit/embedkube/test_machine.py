"""What is read from the machine: ports, mounts, containers, logs."""

import base64
import json
import socket
from pathlib import Path

import pytest
from embedkube import mounts, pods, ports, supervise
from embedkube.run import Failure

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
   2: 0100007F:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0
"""


def test_finds_the_socket_that_listens() -> None:
    assert ports.listening_inodes(TCP, 8080) == {"111"}
    assert ports.listening_inodes(TCP, 9090) == set()


def test_a_taken_port_is_told_with_its_program_and_the_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Failure, match=rf"Port {port} .* is taken by .*\(process \d+\).*cluster_x"):
            ports.check_free(port, "the application", "cluster_x")
    ports.check_free(port, "the application", "cluster_x")


def test_mounts_are_undone_from_the_inside() -> None:
    table = "\n".join(
        f"1 0 0:1 / {point} rw - tmpfs tmpfs rw" for point in ("/", "/s/demo", r"/s/demo/a\040b/c", "/s/demo2")
    )
    assert mounts.below(Path("/s/demo"), table) == ["/s/demo/a b/c", "/s/demo"]


@pytest.mark.parametrize(("wanted", "signal"), [("SIGINT", "SIGINT"), ("", "SIGTERM")])
def test_a_container_ends_by_the_signal_of_its_image(wanted: str, signal: str) -> None:
    metadata = base64.b64encode(json.dumps({"Metadata": {"StopSignal": wanted}}).encode()).decode()
    assert pods.stop_signal({"Extensions": {pods.METADATA: {"value": metadata}}}) == signal


def test_a_sandbox_has_no_signal() -> None:
    assert pods.stop_signal({"Extensions": None}) == ""


def test_the_end_of_a_log_names_its_file(tmp_path: Path) -> None:
    log = tmp_path / "etcd.log"
    log.write_text("one\ntwo\n\nthree\nfour\n")
    assert supervise.last_lines(log, 2) == f"its log {log} ends with: three | four"
    assert "no log" in supervise.last_lines(tmp_path / "absent.log")
