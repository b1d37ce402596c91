"""The restore_command: what it answers to PostgreSQL for everything that pgBackRest may do."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

WRAPPER = Path(__file__).parents[3] / "images/backup/bin/pgbackrest-archive-get"
CONTENT = b"sixteen megabytes of WAL"
SHA1 = hashlib.sha1(CONTENT, usedforsecurity=False).hexdigest()
SEGMENT, HISTORY, LATER = "000000010000000000000003", "00000002.history", "000000010000000000000004"
GOOD, FOREIGN = f"printf '{CONTENT.decode()}' > $4; exit 0", "printf 'other content' > $4; exit 0"

Wrapper = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def wrapper(tmp_path: Path) -> Wrapper:
    """Runs the wrapper with a pgbackrest that does what `script` says; $3 is the file, $4 the destination."""
    (tmp_path / "plan").write_text(f"{SHA1}  {SEGMENT}\n-  {HISTORY}\n")

    def run(script: str, file: str = SEGMENT, plan: str = "plan", **environ: str) -> subprocess.CompletedProcess[str]:
        program = tmp_path / "pgbackrest"
        program.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n{script}\n')
        program.chmod(0o755)
        return subprocess.run(
            [WRAPPER, tmp_path / plan, file, tmp_path / "destination"],
            env={**os.environ, "ARCHIVE_GET_PROGRAM": str(program), "ARCHIVE_GET_PAUSE": "0", **environ},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return run


def calls(folder: Path) -> list[str]:
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_a_planned_segment_with_its_content(wrapper: Wrapper, tmp_path: Path) -> None:
    assert wrapper(GOOD).returncode == 0
    assert (tmp_path / "destination").read_bytes() == CONTENT
    assert calls(tmp_path) == [f"--stanza=main archive-get {SEGMENT} {tmp_path}/destination"]


@pytest.mark.parametrize("code", [*range(1, 126), 126, 127, 128, 137, 143, 255])
def test_no_failure_of_pgbackrest_looks_like_the_end_of_wal(wrapper: Wrapper, tmp_path: Path, code: int) -> None:
    done = wrapper(f"printf part > $4; exit {code}")
    assert done.returncode == 255
    assert not (tmp_path / "destination").exists()
    assert len(calls(tmp_path)) == 3
    assert "recovery stops here" in done.stderr


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (FOREIGN, "has another content than when it was archived"),
        (": > $4", "came empty out of the archive"),
        ("exit 0", "came empty out of the archive"),
        ("exit 1", "is gone from the archive, but the plan needs it"),
        ("kill -9 $$", "did not arrive"),
    ],
)
def test_a_wrong_answer_stops_recovery(wrapper: Wrapper, tmp_path: Path, script: str, words: str) -> None:
    done = wrapper(script)
    assert done.returncode == 255
    assert words in done.stderr
    assert not (tmp_path / "destination").exists()


def test_a_full_volume_is_named(wrapper: Wrapper, tmp_path: Path) -> None:
    df = tmp_path / "df"
    df.write_text(
        "#!/bin/sh\nprintf 'Filesystem 1024-blocks Used Available Capacity Mounted\\n/dev/x 99999 90000 %s 99% /x\\n' $FREE\n"
    )
    df.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert "No space left on device" in wrapper("exit 42", PATH=path, FREE="16383").stderr
    assert "could not be fetched (exit code 42 of pgbackrest)" in wrapper("exit 42", PATH=path, FREE="16384").stderr


def test_a_hanging_pgbackrest_is_stopped(wrapper: Wrapper) -> None:
    began = time.monotonic()
    done = wrapper("exec sleep 30", ARCHIVE_GET_SECONDS="0.2")
    assert (done.returncode, time.monotonic() - began < 5) == (255, True)
    assert "did not arrive within 0.2 s" in done.stderr


def test_it_tries_again(wrapper: Wrapper, tmp_path: Path) -> None:
    done = wrapper(f'[ "$(wc -l < {tmp_path}/calls)" = 3 ] || exit 103\n{GOOD}')
    assert done.returncode == 0
    assert done.stderr.count("exit code 103") == 2


def test_a_file_outside_of_the_plan_is_not_asked_for(wrapper: Wrapper, tmp_path: Path) -> None:
    for file in (LATER, "00000003.history", f"{SEGMENT}.partial", "RECOVERYXLOG"):
        assert wrapper(GOOD, file).returncode == 1
    assert calls(tmp_path) == []


def test_history_files_of_the_plan_pass(wrapper: Wrapper) -> None:
    assert wrapper(GOOD, HISTORY).returncode == 0
    assert wrapper("exit 1", HISTORY).returncode == 255


@pytest.mark.parametrize("plan", ["", "no-such-plan"])
def test_an_unusable_plan_stops_recovery(wrapper: Wrapper, tmp_path: Path, plan: str) -> None:
    if plan == "":
        (tmp_path / "empty").touch()
    done = wrapper(GOOD, plan=plan or "empty")
    assert done.returncode == 255
    assert "make it again" in done.stderr


def test_wrong_arguments() -> None:
    done = subprocess.run([WRAPPER, SEGMENT], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 255
