"""The programs that judge rules and routes: those of the machine, or unpacked from Debian's packages."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from servers import program

Tool = Callable[..., "subprocess.CompletedProcess[str]"]


def tool(name: str, package: str) -> Tool:
    path, environ = program(name, package)

    def run(*arguments: object, ok: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [path, *map(str, arguments)], env=environ, capture_output=True, text=True, timeout=300, check=False
        )
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        return done

    return run
