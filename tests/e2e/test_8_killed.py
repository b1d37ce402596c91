"""Whatever ends a run on its way, the next one finishes the job: SIGKILL, an API server that restarts, a network that is cut."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..relay import Relay
from .conftest import HTTP, ROOT, command_of, wait_until
from .load import Load

pytestmark = pytest.mark.drill

VERSIONS = ("v2", "1.0.0")
BAD = "v2-crash-at-start"
QUICK = ["--tags", "app", "-e", "app_min_ready_seconds=1", "-e", "app_progress_deadline_seconds=60"]
# The autoscaler is not what is tested here.
QUICK += ["-e", "app_hpa_max_replicas=1"]
KILLS, FINISHED_EVERY = 20, 5
# Moments are drawn up to here, in seconds; about as long takes a release, a rollback, and a bad version with its way back.
LONGEST_LIFE, LONGEST_BAD_LIFE = 10.0, 18.0


def start(version: str, *arguments: str) -> subprocess.Popen[str]:
    return start_playbook("deploy", *QUICK, "-e", f"app_version={version}", *arguments)


def start_playbook(name: str, *arguments: str) -> subprocess.Popen[str]:
    command = command_of(name, *arguments)
    return subprocess.Popen(
        command, cwd=ROOT, env=os.environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> str:
    output, _none = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def version() -> str:
    with urllib.request.urlopen(f"{HTTP}/api/v1/health", timeout=10) as answer:
        return str(json.load(answer)["version"])


def is_held(lease: dict[str, Any]) -> bool:
    if not lease.get("holderIdentity"):
        return False
    age = datetime.now(UTC) - datetime.fromisoformat(lease["renewTime"])
    return age.total_seconds() < lease["leaseDurationSeconds"]


@pytest.fixture(autouse=True)
def clean(read):
    """What must hold after each test: nobody holds the lock, no Job runs on, the newest record is what serves."""
    yield
    # A run that is killed before it changes anything leaves the next one nothing to do: its lock is nobody's when it expires.
    wait_until(lambda: not is_held(read("lease", "hustlex-operation")["spec"]), 70, "the lock is free or expires")
    jobs = read("jobs")["items"]
    assert not [job["metadata"]["name"] for job in jobs if (job.get("status") or {}).get("active")]
    records = read("configmaps", "--selector", "hustlex.app/release")["items"]
    summaries = [json.loads(item["metadata"]["annotations"]["hustlex.app/release-summary"]) for item in records]
    newest = max((each for each in summaries if each["result"] == "good"), key=lambda each: each["number"])
    assert newest["version"] == version()


def test_killed_at_twenty_moments_the_next_run_finishes(environment):
    """Releases, rollbacks and bad versions that are being undone.

    The main process alone is killed: its workers are left to themselves, which is the worse case.
    """
    chance = random.Random(5)
    outlived = 0
    with Load(HTTP, rate=20, timeout=15, max_seconds=900) as load:
        for number in range(KILLS):
            wanted = VERSIONS[number // 2 % 2]
            kind = ("deploy", "bad", "deploy", "rollback")[number % 4]
            process = start_playbook("rollback") if kind == "rollback" else start(BAD if kind == "bad" else wanted)
            try:
                longest = LONGEST_BAD_LIFE if kind == "bad" else LONGEST_LIFE
                output, _none = process.communicate(timeout=chance.uniform(0.5, longest))
                outlived += 1
                assert bool(process.returncode) == (kind == "bad"), output
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.wait(10)
            if number % FINISHED_EVERY == FINISHED_EVERY - 1:
                finish(start(wanted))
                assert version() == wanted
    assert outlived <= KILLS / 2, "most runs ended before they were killed: nothing was shown"
    assert load.results.failed == 0, load.results.failures[:5]


def other_version() -> str:
    return next(each for each in VERSIONS if each != version())


def wait_for_line(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if words in line:
            return "".join(seen)
    raise AssertionError("".join(seen))


def test_an_api_server_that_is_killed_during_a_release_delays_it(environment):
    wanted = other_version()
    process = start(wanted)
    wait_for_line(process, "Wait for API and workers")
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().split(b"\0") if path.exists() else []
        if words[0] == b"kube-apiserver" and "embedkube-hustlex-test/" in (path.parent / "cgroup").read_text():
            os.kill(int(path.parent.name), signal.SIGKILL)
    finish(process)
    assert version() == wanted


def test_a_network_that_is_cut_for_a_while_delays_a_release(environment, tmp_path):
    config: dict[str, Any] = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    cluster = config["clusters"][0]["cluster"]
    relay = Relay("127.0.0.1", int(cluster["server"].rpartition(":")[2]))
    cluster["server"] = f"https://127.0.0.1:{relay.port}"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    wanted = other_version()
    process = start(wanted, "-e", "cluster_provider=existing", "-e", f"cluster_kubeconfig={path}")
    wait_for_line(process, "Wait for API and workers")
    relay.cut()
    time.sleep(10)
    relay.restore()
    finish(process)
    assert version() == wanted
