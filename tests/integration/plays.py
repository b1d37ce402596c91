"""Runs tasks with ansible-playbook and gives their results as data; kubectl reads back what they did."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RUN_SECONDS = 600


@dataclass(frozen=True)
class Played:
    """Results of the tasks of a play in their order, and everything that was printed."""

    results: list[dict[str, Any]]
    output: str

    @property
    def last(self) -> dict[str, Any]:
        return self.results[-1]


class Player:
    """Plays tasks of the collection against a namespace."""

    def __init__(self, folder: Path, namespace: str, kubeconfig: str) -> None:
        self.folder, self.namespace, self.kubeconfig = folder, namespace, kubeconfig
        self._number = 0

    def __call__(
        self,
        *tasks: Mapping[str, Any],
        check: bool = False,
        kubeconfig: Any = None,
        context: str | None = None,
        namespace: str = "",
    ) -> Played:
        """Each task is `{"apply": {...}}` and so on; a task that fails does not keep the next from running."""
        defaults = {"namespace": namespace or self.namespace, "kubeconfig": kubeconfig or self.kubeconfig}
        if context:
            defaults["context"] = context
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "module_defaults": {"group/hustlex.platform.kubernetes": defaults},
            "tasks": [
                {f"hustlex.platform.{name}": arguments, "ignore_errors": True}
                for task in tasks
                for name, arguments in task.items()
            ],
        }
        self._number += 1
        path = self.folder / f"play-{self._number}.yml"
        path.write_text(yaml.safe_dump([play]))
        command = ["ansible-playbook", "-i", "localhost,", "-c", "local", "--diff", str(path)]
        done = subprocess.run(
            [*command, "--check"] if check else command,
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        start = f"\n{done.stdout}".find("\n{\n")
        assert start >= 0, done.stdout + done.stderr
        answer = json.loads(f"\n{done.stdout}"[start:])
        results = [task["hosts"]["localhost"] for task in answer["plays"][0]["tasks"]]
        warnings = [warning for result in results for warning in result.get("warnings") or []]
        return Played(results, "\n".join([done.stdout[:start], done.stderr, *warnings]))


def kubectl(*arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["kubectl", *arguments], input=stdin, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def fetch(*arguments: str) -> dict[str, Any]:
    """One object or a list of them, as kubectl reads it."""
    answer: dict[str, Any] = json.loads(kubectl("get", *arguments, "-o", "json"))
    return answer
