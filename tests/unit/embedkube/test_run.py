"""Progress, locks, programs and the sentences that a failure is told in."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from embedkube import run


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 00 s"), (185, "3 min 05 s")]
)
def test_durations_read_as_people_say_them(seconds: float, said: str) -> None:
    assert run.duration(seconds) == said


def test_digest_tells_where_a_part_ends() -> None:
    assert run.digest("ab", "c") != run.digest("a", "bc")
    assert run.digest("ab", b"c") == run.digest(b"ab", "c")


def test_progress_numbers_steps_and_says_how_long_they_took() -> None:
    lines: list[str] = []
    progress = run.Progress(2, lines.append)
    with progress.step("Melt"):
        pass
    with pytest.raises(ValueError, match="no"), progress.step("Pour"):
        raise ValueError("no")
    assert [line.partition(" in ")[0] for line in lines] == ["[1/2] Melt ...", "[1/2] Melt: done", "[2/2] Pour ..."]


def test_progress_reports_while_a_step_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "REPORT_SECONDS", 0.01)
    reported = threading.Event()
    lines: list[str] = []

    def out(line: str) -> None:
        lines.append(line)
        if "pots" in line:
            reported.set()

    with run.Progress(1, out).step("Melt") as step:
        step.detail = "3 of 7 pots"
        assert reported.wait(timeout=30)
    assert re.fullmatch(r"\[1/1\] Melt: [0-9.]+ s, 3 of 7 pots", next(line for line in lines if "pots" in line))


def test_a_second_run_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with (
        run.locked(lock, "the build"),
        pytest.raises(run.Failure, match=r"the build, process \d+\) has been at work since \d{4}-.*Try again"),
        run.locked(lock, "another build", wait_seconds=0),
    ):
        pass
    with run.locked(lock, "another build", wait_seconds=0):
        pass


def test_the_lock_of_a_killed_run_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text('{"what": "a killed build", "pid": 1, "since": "1970-01-01"}')
    with run.locked(lock, "the build", wait_seconds=0):
        assert "the build" in lock.read_text()


def test_call_returns_and_logs_what_a_program_prints(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "melt.log"
    seen: list[str] = []
    assert run.call(python("print('a'); print('b')"), what="Melting", log=log, on_line=seen.append) == "a\nb"
    assert seen == ["a", "b"]
    assert log.read_text().endswith(" Melting\na\nb\n")


def test_call_feeds_a_program(tmp_path: Path) -> None:
    upper = python("import sys; print(sys.stdin.read().upper())")
    assert run.call(upper, what="Melting", log=tmp_path / "log", feed=lambda stream: stream.write(b"iron")) == "IRON"


def test_call_survives_a_program_that_does_not_read(tmp_path: Path) -> None:
    endless = b"x" * 1_000_000
    assert run.call(python(""), what="Melting", log=tmp_path / "log", feed=lambda stream: stream.write(endless)) == ""


def test_a_failed_program_is_one_sentence(tmp_path: Path) -> None:
    log = tmp_path / "log"
    failing = python("print('E: the pot leaks'); print('bye'); raise SystemExit(3)")
    with pytest.raises(run.Failure) as failure:
        run.call(failing, what="Melting", log=log)
    assert str(failure.value) == f"Melting failed (exit status 3): E: the pot leaks. All of its output is in {log}."


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    failing = python("print('write /x: no space left on device'); raise SystemExit(1)")
    told = "The disk of /cache is full; free some space and run the command again"
    with pytest.raises(run.Failure, match=told), run.plain_errors(Path("/cache")):
        run.call(failing, what="Melting", log=tmp_path / "log")
    with pytest.raises(run.Failure, match="is full"), run.plain_errors(Path("/cache")):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(FileNotFoundError), run.plain_errors(Path("/cache")):
        raise FileNotFoundError(errno.ENOENT, "No such file")


def test_stopping_ends_programs_and_starts_none(tmp_path: Path) -> None:
    programs = run.Programs()
    process = programs.start(lambda: subprocess.Popen(["sleep", "60"]))
    programs.stop()
    assert process.wait(timeout=10) != 0
    with pytest.raises(run.Stopped):
        programs.start(lambda: subprocess.Popen(["true"]))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "it said nothing."),
        (["working", "", "gave up"], "gave up."),
        (["Error: no pot!", "cleaning up"], "Error: no pot!"),
    ],
)
def test_the_line_that_says_why_is_found(lines: list[str], said: str) -> None:
    assert run.last_error(lines) == said


def test_entering_a_root_file_system_quotes_and_binds() -> None:
    binds = [run.Bind(Path("/my things"), "/srv/x"), run.Bind(Path("/tmp"), "/run/work", writable=True)]
    command = run.enter_rootfs(Path("/my root"), ["ls", "a b"], binds, {"NAME": "a b"})
    script = command[command.index("-euc") + 1]
    assert command[-2:] == ["ls", "a b"]
    assert "mount --bind '/my things' srv/x\nmount -o remount,bind,ro srv/x" in script
    assert "mkdir -p run/work\nmount --bind /tmp run/work\nmount -o remount,bind,ro ." in script
    assert "'NAME=a b'" in script


def test_only_a_read_only_root_is_remounted() -> None:
    command = run.enter_rootfs(Path("/root-fs"), ["ls"], writable=True)
    assert "remount,bind,ro ." not in command[command.index("-euc") + 1]


def test_proxies_come_in_both_spellings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in run.PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert run.proxy_environment() == {"https_proxy": "http://proxy:3128", "HTTPS_PROXY": "http://proxy:3128"}


def test_the_certificates_named_for_pip_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "own.crt"
    own.touch()
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "absent.crt"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(own))
    assert run.ca_bundle() == own


def test_trees_with_read_only_folders_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "c").touch()
    folder.chmod(0o500)
    run.remove(tmp_path / "a")
    run.remove(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_killed_program_hints_at_memory(tmp_path: Path) -> None:
    killed = python("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(run.Failure, match="Melting was killed, most likely because memory ran out"):
        run.call(killed, what="Melting", log=tmp_path / "log")


def test_an_unreachable_registry_is_told_apart(tmp_path: Path) -> None:
    failing = python("print('dial tcp: lookup proxy'); print('ERROR: No matching distribution'); raise SystemExit(1)")
    with pytest.raises(run.Failure, match="Melting failed because a package registry cannot be reached; check the net"):
        run.call(failing, what="Melting", log=tmp_path / "log")
