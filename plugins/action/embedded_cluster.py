# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module embedded_cluster: runs the embedded cluster's command line and shows its progress."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..plugin_utils.options import validated

COMMANDS = {"started": "start", "stopped": "stop", "absent": "destroy"}
FOLDER = Path(__file__).resolve().parents[2] / "roles" / "cluster" / "files" / "embedded"
ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "default": "hustlex"},
    "state": {"type": "str", "choices": list(COMMANDS), "default": "started"},
    "nodes": {"type": "int", "default": 1},
    "api_port": {"type": "int", "default": 6443},
    "http_port": {"type": "int", "default": 8080},
    "node_port": {"type": "int", "default": 30080},
    "s3_port": {"type": "int", "default": 9000},
    "fsync": {"type": "bool", "default": True},
    "cache_dir": {"type": "path", "default": "~/.cache/hustlex-platform"},
    "state_dir": {"type": "path", "default": "~/.local/state/hustlex-platform"},
    "images_dir": {"type": "path"},
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        for option in ("cache_dir", "state_dir"):
            arguments[option] = str(Path(arguments[option]).expanduser())
        status, last, error = _run(command_line(arguments, check=self._task.check_mode))
        if status != 0:
            return result | {"failed": True, "msg": error or f"The embedded cluster's command ended with {status}."}
        state = Path(arguments["state_dir"], arguments["name"])
        outcome, _colon, message = last.partition(": ")
        return result | {
            "changed": outcome == "changed",
            "msg": message,
            "kubeconfig": str(state / "kubeconfig"),
            "context": arguments["name"],
            "kubectl": str(state / "bin" / "kubectl"),
            "s3": str(state / "s3"),
        }


def command_line(arguments: dict[str, Any], check: bool) -> list[str]:
    state = arguments["state"]
    command = [sys.executable, "-m", "embedkube", COMMANDS[state], f"--name={arguments['name']}"]
    command += [f"--cache={arguments['cache_dir']}", f"--state={arguments['state_dir']}"]
    if arguments.get("images_dir"):
        command.append(f"--images-dir={arguments['images_dir']}")
    if check:
        command.append("--check")
    if state == "started":
        command += [
            f"--{option.replace('_', '-')}={arguments[option]}"
            for option in ("nodes", "api_port", "http_port", "node_port", "s3_port")
        ]
        if not arguments["fsync"]:
            command.append("--unsafe-no-fsync")
    return command


def _run(command: list[str]) -> tuple[int, str, str]:
    """Run it, showing each line as it comes; return exit code, last line and error message."""
    environment = {**os.environ, "PYTHONPATH": str(FOLDER)}
    last = ""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        ) as process,
    ):
        for line in process.stdout or ():
            if last:
                display.display(f"  {last}")
            last = line.rstrip()
        status = process.wait()
        if status != 0 and last:
            display.display(f"  {last}")
        errors.seek(0)
        return status, last, errors.read().strip()
