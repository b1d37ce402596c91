# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Error lines in the logs of pods: read within bounds, counted, and told without secrets."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .client import Client
from .errors import ApiError, KubeError, UnreachableError
from .evidence import NO_LOG, Evidence
from .mask import Masker
from .pod import container_names, logged_runs

Object = Mapping[str, Any]

# The last of each log. The node sends no more bytes than these, and what it has rotated away not at all.
LINES, BYTES = 2000, 2**20
# For one log, and for all of them: the lock is kept in between.
ONE_LOG_SECONDS, ALL_LOGS_SECONDS = 5, 10
KEPT_LINES, KEPT_PODS = 20, 10
LONGEST_LINE = 300

_COLOUR = re.compile(r"\x1b\[[\d;]*m")


class PatternError(KubeError):
    """What is to find error lines is no regular expression."""


@dataclass(frozen=True)
class Log:
    """What a run of a container wrote: its number of error lines and the first of them. is_whole: all of it was read."""

    pod: str
    title: str
    errors: int
    lines: Sequence[str]
    is_whole: bool


@dataclass
class Reading:
    """Logs in the order of their pods; unread: why those of a pod could not be read."""

    logs: list[Log] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        return sum(log.errors for log in self.logs)

    def by_pod(self) -> dict[str, list[Log]]:
        return {log.pod: [each for each in self.logs if each.pod == log.pod] for log in self.logs}


def compiled(pattern: str) -> re.Pattern[str]:
    """Raises PatternError."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise PatternError(
            f'"{pattern}" is no regular expression of Python ({error}): mend app_log_error_pattern.'
        ) from error


def pods_of(pods: Iterable[Object], replica_sets: Sequence[str]) -> list[Object]:
    """The pods of these ReplicaSets, by their names."""
    found = [pod for pod in pods if any(each in replica_sets for each in _owners(pod))]
    return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))


def read(
    client: Client,
    pods: Iterable[Object],
    containers: Sequence[str],
    since: str,
    pattern: re.Pattern[str],
    beat: Callable[[Client], None] = lambda _client: None,
    clock: Callable[[], float] = time.monotonic,
) -> Reading:
    """The logs of these containers (of all, when none is named) since then, and of the run before where one restarted."""
    found, began = Reading(), clock()
    for pod, container, previous, title in _runs(pods, containers):
        beat(client)
        name, place = pod["metadata"]["name"], pod["metadata"]["namespace"]
        if clock() - began >= ALL_LOGS_SECONDS:
            found.unread.setdefault(name, f"there was no time for them within {ALL_LOGS_SECONDS} s")
            continue
        try:
            text = client.log(
                place, name, container, LINES, previous, since=since, most_bytes=BYTES, seconds=ONE_LOG_SECONDS
            )
        except (ApiError, UnreachableError) as error:
            # Not started yet, gone with its pod, or no longer kept: there is none.
            if not isinstance(error, ApiError) or error.status not in (400, 404):
                found.unread[name] = str(error).rstrip(".")
            continue
        if not text.startswith(NO_LOG):
            found.logs.append(Log(name, title, *errors_in(text, pattern)))
    return found


def errors_in(text: str, pattern: re.Pattern[str]) -> tuple[int, list[str], bool]:
    """Number of error lines in a log, the first of them, and whether nothing of it was left out."""
    is_cut = len(text.encode()) >= BYTES
    *lines, unfinished = text.split("\n")
    # What was cut may end within a secret, which nobody would recognise.
    if unfinished and not is_cut:
        lines.append(unfinished)
    errors = [line for line in (_COLOUR.sub("", each).strip() for each in lines) if pattern.search(line)]
    return len(errors), errors[:KEPT_LINES], not is_cut and len(lines) < LINES


def sentences(found: Reading, hide: Masker | None) -> list[str]:
    """One for each pod with error lines, or one for all; without a masker no line is shown."""
    logs = found.by_pod()
    said = [f"{pod}: {_words(each, hide)}" for pod, each in logs.items() if any(log.errors for log in each)]
    if not said and logs:
        part = "" if all(log.is_whole for log in found.logs) else "what was read of "
        said.append(f"no error lines in {part}the logs of {counted(len(logs), 'pod')}")
    for why in dict.fromkeys(found.unread.values()):
        pods = [pod for pod, reason in found.unread.items() if reason == why]
        said.append(f"the logs of {counted(len(pods), 'pod')} were not read: {why}")
    return said or ["there are no logs of new pods to read"]


def evidence(found: Reading, hide: Masker | None, namespace: str) -> list[Evidence]:
    """The error lines of each pod, for the record of a release that they undo."""
    with_errors = {pod: [log for log in logs if log.errors] for pod, logs in found.by_pod().items()}
    return [
        Evidence(
            workload=f"Pod {pod}",
            reason=_words(logs, hide),
            command=f"kubectl logs {pod} --all-containers -n {namespace}",
            logs={log.title: [_shown(line, hide) for line in log.lines] for log in logs} if hide else {},
        )
        for pod, logs in with_errors.items()
        if logs
    ][:KEPT_PODS]


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _owners(pod: Object) -> list[str]:
    references = pod["metadata"].get("ownerReferences") or []
    return [each["name"] for each in references if each["kind"] == "ReplicaSet"]


def _runs(pods: Iterable[Object], containers: Sequence[str]) -> Iterator[tuple[Object, str, bool, str]]:
    for pod in pods:
        wanted = [name for name in container_names(pod) if not containers or name in containers]
        yield from ((pod, *run) for run in logged_runs(pod, wanted))


def _words(logs: Sequence[Log], hide: Masker | None) -> str:
    """`4 error lines, first: ...` of a pod that has some."""
    more = "" if all(log.is_whole for log in logs) else " or more"
    number = f"{counted(sum(log.errors for log in logs), 'error line')}{more}"
    if hide is None:
        return number
    return f"{number}, first: {_shown(next(line for log in logs for line in log.lines), hide)}"


def _shown(line: str, hide: Masker) -> str:
    text = hide.text(line)
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:LONGEST_LINE])
    return f"{shown}..." if len(text) > LONGEST_LINE else shown
