"""The workflows as data: their jobs, their steps, and the command lines of the playbooks that they run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"


@dataclass(frozen=True)
class Step:
    """One step of a job, or of a composite action, which then is the job's name."""

    job: str
    content: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.content.get("name") or self.content.get("uses"))

    @property
    def run(self) -> str:
        return str(self.content.get("run", ""))

    @property
    def uses(self) -> str:
        return str(self.content.get("uses", ""))

    def command(self, variables: Mapping[str, str]) -> list[str]:
        """The words that the shell makes of the command line."""
        return [Template(word).substitute(variables) for word in shlex.split(self.run)]


def load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def workflow_steps(path: Path) -> Iterator[Step]:
    for name, job in load(path)["jobs"].items():
        yield from (Step(name, content) for content in job["steps"])


def action_steps(path: Path) -> Iterator[Step]:
    yield from (Step(path.parent.name, content) for content in load(path)["runs"]["steps"])


def all_steps() -> list[Step]:
    workflows = (step for path in sorted(GITHUB.glob("workflows/*.yml")) for step in workflow_steps(path))
    actions = (step for path in sorted(GITHUB.glob("actions/*/action.yml")) for step in action_steps(path))
    return [*workflows, *actions]


def playbook_steps() -> list[Step]:
    return [step for step in workflow_steps(GITHUB / "workflows" / "deploy.yml") if "ansible-playbook" in step.run]
