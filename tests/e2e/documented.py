"""The commands of a page, and those that the tests ran, in one form that can be compared."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What was run with success by this session.
RAN: set[str] = set()

_CODE = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"(?:ansible-playbook (?=playbooks/)|kubectl (?=[a-z])|^playbooks/)[^`]*")
_INVENTORY_VARIABLE = re.compile(r"(app|backup|cluster|hustlex|monitoring|namespace|pgbouncer|postgres|redis)_\w+=")
_KINDS_OF_TARGET = ("lsn", "name", "xid")


def commands(page: str, heading: str = "") -> list[str]:
    """As they are written in docs/PAGE: in indented blocks and between backticks; below one heading, or everywhere."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    if heading:
        text = re.split(r"^#+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    found = []
    for line in text.splitlines():
        if line.startswith("    "):
            codes = [line.strip().removeprefix("$ ")]
        else:
            codes = [code.replace("\\|", "|") for code in _CODE.findall(line)]
        found += [match.group().strip().rstrip(".,") for code in codes for match in _COMMAND.finditer(code)]
    return found


def normalised(command: str | Sequence[str]) -> str:
    """Without what differs from one environment and one day to the next: inventory, IDs, times, names of files and Jobs."""
    words = shlex.split(command, comments=True) if isinstance(command, str) else list(command)
    if words[0] == "kubectl":
        return _kubectl(words[1:])
    while not words[0].startswith("playbooks/"):
        words.pop(0)
    return _playbook(words)


def note(command: str | Sequence[str]) -> None:
    RAN.add(normalised(command))


def _playbook(words: list[str]) -> str:
    options, left = [], iter(words[1:])
    for word in left:
        if word == "-i":
            next(left)
        elif word == "-e":
            value = next(left)
            if value[0] not in "@{" and not _INVENTORY_VARIABLE.match(value):
                options.append(_order(value))
        else:
            options.append(word)
    return " ".join([words[0], *sorted(options)])


def _order(value: str) -> str:
    name, _equals, given = value.partition("=")
    if name == "target" and given != "latest":
        kind = given.split(":", 1)[0]
        given = kind if kind in _KINDS_OF_TARGET else "TIME"
    elif name == "backup" and given != "latest":
        given = "ID"
    elif name in ("confirm", "json", "svg", "timeline"):
        given = name.upper()
    return f"{name}={given}"


def _kubectl(words: list[str]) -> str:
    kept, left = [], iter(words)
    for word in left:
        if word in ("-n", "--namespace"):
            next(left)
        elif word not in ("-i", "-t", "-it"):
            kept.append(word)
    text = re.sub(r"\bjob/\S+", "job/NAME", " ".join(["kubectl", *kept]))
    return re.sub(r"(hustlex_restored)_\w+", r"\1_ID", text)
