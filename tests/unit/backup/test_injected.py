"""What starts the copied pgBackRest beside a database."""

import subprocess
from pathlib import Path

BIN = Path(__file__).parents[3] / "images" / "backup" / "bin"


def test_the_copy_runs_by_its_own_loader_and_calls_itself_by_the_wrapper(tmp_path: Path) -> None:
    for folder in ("bin", "lib", "libexec"):
        (tmp_path / folder).mkdir()
    wrapper = tmp_path / "bin" / "pgbackrest"
    wrapper.write_text((BIN / "pgbackrest").read_text())
    wrapper.chmod(0o755)
    loader = tmp_path / "lib" / "loader"
    loader.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    loader.chmod(0o755)
    said = subprocess.run([wrapper, "--stanza=main", "archive-push", "a b"], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == [
        "--argv0",
        str(wrapper),
        "--library-path",
        f"{tmp_path}/lib",
        f"{tmp_path}/libexec/pgbackrest",
        "--stanza=main",
        "archive-push",
        "a b",
    ]


def test_everything_that_is_copied_can_be_run() -> None:
    assert [file.name for file in BIN.iterdir() if not file.stat().st_mode & 0o111] == []
