"""Module job against a real cluster, in a namespace of its own; see test_plugins.py for the settings."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from plays import ROOT, Player, fetch, kubectl

IMAGE = os.environ.get("PLUGIN_TEST_IMAGE", "localhost/embedded/helper:1")
NAMESPACE = os.environ.get("JOBS_TEST_NAMESPACE", "jobs-test")
SECRET = "a-secret-nobody-sees"


def manifest(script: str, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", f"trap 'exit 143' TERM; {script}"],
    }
    pod = {"terminationGracePeriodSeconds": 1, "restartPolicy": "OnFailure", "containers": [container]}
    return {"spec": {"template": {"spec": pod}, **spec}}


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=150s")
    kubectl("create", "namespace", NAMESPACE)
    kubectl("-n", NAMESPACE, "create", "secret", "generic", "s", f"--from-literal=K={SECRET}")
    yield Player(tmp_path_factory.mktemp("plays"), NAMESPACE, os.environ["KUBECONFIG"])
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


def jobs() -> list[str]:
    return [item["metadata"]["name"] for item in fetch("jobs", "-n", NAMESPACE)["items"]]


def test_its_lines_are_shown_and_its_result_is_taken(play: Player) -> None:
    script = f'echo step one; sleep 2; echo using {SECRET}; echo \'RESULT {{"id": "x1", "size": 7}}\''
    played = play({"job": {"name": "result", "manifest": manifest(script)}})
    assert played.last["report"] == {"id": "x1", "size": 7}
    assert played.last["changed"] is True
    assert "  step one" in played.output
    assert "  using ***" in played.output
    assert SECRET not in played.output + str(played.last)
    assert "result" not in jobs(), "a Job that succeeded is removed"


def test_a_failure_has_the_last_words_and_the_next_run_starts_anew(play: Player) -> None:
    script = "echo working; echo The bucket does not exist. > /dev/termination-log; exit 1"
    failed = play({"job": {"name": "again", "manifest": manifest(script)}}).last
    assert failed["failed"]
    assert failed["msg"] == (
        f'Job again failed; its last words: "The bucket does not exist.". See `kubectl logs job/again -n {NAMESPACE}`.'
    )
    assert "again" in jobs(), "a Job that failed is kept"
    assert play({"job": {"name": "again", "manifest": manifest("true")}}).last["msg"].startswith("Job again succeeded")


def test_from_a_cron_job_with_other_arguments(play: Player) -> None:
    cron_job = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "cron", "namespace": NAMESPACE},
        "spec": {
            "schedule": "0 0 1 1 *",
            "suspend": True,
            "jobTemplate": {"metadata": {"labels": {"hustlex.app/set": "backup"}}, **manifest("false", backoffLimit=4)},
        },
    }
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(cron_job))
    order = {"name": "from-cron", "cron_job": "cron", "command": ["sh", "-c", 'echo "RESULT {\\"v\\": \\"$V\\"}"']}
    assert play({"job": {**order, "env": {"V": "given"}}}, check=True).last["msg"] == "Job from-cron would run."
    assert "from-cron" not in jobs()
    assert play({"job": {**order, "env": {"V": "given"}}}).last["report"] == {"v": "given"}
    missing = play({"job": {"name": "x", "cron_job": "absent"}}).last
    assert missing["msg"].startswith(f"CronJob absent is not in namespace {NAMESPACE}: deploy it first")


def test_at_the_timeout_it_is_stopped_or_left(play: Player) -> None:
    until_told = "n=0; until [ -e /tmp/go ] || [ $n = 90 ]; do sleep 1; n=$((n + 1)); done"
    slow = manifest(f"echo started; {until_told}; echo 'RESULT {{\"late\": true}}'")
    stopped = play({"job": {"name": "stop", "manifest": slow, "timeout": 4}}).last
    assert "Job stop has not ended after 4 s: it was stopped" in stopped["msg"]
    assert "stop" not in jobs()
    order = {"name": "leave", "manifest": slow, "at_timeout": "leave"}
    left = play({"job": {**order, "timeout": 4}}).last
    assert "it goes on, and the same command waits for it again" in left["msg"]
    other = play({"job": {**order, "manifest": manifest("true")}}).last
    assert other["msg"].startswith("Job leave already runs since ")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(play, {"job": order})
        time.sleep(10)
        kubectl("-n", NAMESPACE, "exec", "job/leave", "--", "touch", "/tmp/go")
        found = waiting.result().last
    assert not found.get("failed"), found["msg"]
    assert (found["resumed"], found["report"]) == (True, {"late": True})


def test_a_controller_that_is_killed_finds_its_job(play: Player, tmp_path: Path) -> None:
    order = {"name": "killed", "manifest": manifest('sleep 12; echo "RESULT {\\"pod\\": \\"$HOSTNAME\\"}"')}
    defaults = {"group/hustlex.platform.kubernetes": {"namespace": NAMESPACE, "kubeconfig": os.environ["KUBECONFIG"]}}
    tasks = [{"hustlex.platform.job": order}]
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "module_defaults": defaults, "tasks": tasks}])
    )
    process = subprocess.Popen(
        ["ansible-playbook", "-i", "localhost,", "-c", "local", str(playbook)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while "killed" not in jobs() and time.monotonic() < deadline:
        time.sleep(0.2)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # They have sessions of their own. One that lived on would take the Job's result and remove it, before the next run can.
    while any(Path("/proc", worker).exists() for worker in workers):
        assert time.monotonic() < deadline, "the worker goes on without its run"
        time.sleep(0.2)
    pod = fetch("pods", "-n", NAMESPACE, "-l", "job-name=killed")["items"][0]["metadata"]["name"]
    found = play({"job": order}).last
    assert not found.get("failed"), found["msg"]
    assert (found["resumed"], found["report"]) == (True, {"pod": pod})


def test_two_who_want_the_same_wait_for_one_job(play: Player, tmp_path: Path) -> None:
    order = {"name": "shared", "manifest": manifest('sleep 6; echo "RESULT {\\"pod\\": \\"$HOSTNAME\\"}"; sleep 3')}
    players = [Player(tmp_path / name, NAMESPACE, os.environ["KUBECONFIG"]) for name in ("one", "other")]
    for player in players:
        player.folder.mkdir()
    with ThreadPoolExecutor() as pool:
        one, other = (played.last for played in pool.map(lambda player: player({"job": order}), players))
    assert not one.get("failed"), one
    assert not other.get("failed"), other
    assert one["report"] == other["report"]


def test_a_result_that_nobody_took_is_adopted_if_wanted(play: Player) -> None:
    order = {"name": "adopted", "manifest": manifest('sleep 3; echo "RESULT {\\"pod\\": \\"$HOSTNAME\\"}"')}
    play({"job": {**order, "timeout": 1, "at_timeout": "leave"}})
    kubectl("wait", "--for=condition=complete", "job/adopted", "-n", NAMESPACE, "--timeout=60s")
    pod = fetch("pods", "-n", NAMESPACE, "-l", "job-name=adopted")["items"][0]["metadata"]["name"]
    # How long we waited is part of what stops it, not of what it does: the settings are the same.
    found = play({"job": {**order, "at_timeout": "leave", "adopt_finished": True}}).last
    assert not found.get("failed"), found["msg"]
    assert (found["resumed"], found["report"]) == (True, {"pod": pod})


def test_what_no_node_takes_is_told(play: Player) -> None:
    impossible = manifest("true")
    impossible["spec"]["template"]["spec"]["nodeSelector"] = {"no-such": "node"}
    result = play({"job": {"name": "nowhere", "manifest": impossible, "timeout": 3}}).last
    assert result["failed"]
    assert "has not ended after 3 s" in result["msg"]
