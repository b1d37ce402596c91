# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The end of a Job as the result of a task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ..module_utils.kube.job import JobResult


def as_result(done: JobResult, show: Callable[[str], Any]) -> dict[str, Any]:
    """Return values of a task; what is behind a failure is also shown, for `msg` has room for one sentence only."""
    result: dict[str, Any] = {
        "changed": True,
        "job": done.name,
        "report": done.report,
        "log": done.log_tail,
        "seconds": done.seconds,
        "resumed": done.resumed,
        "msg": f"Job {done.name} succeeded in {done.seconds:.0f} s.",
    }
    if done.succeeded:
        return result
    result.update(failed=True, msg=done.reason)
    if done.evidence is not None:
        show("\n".join(done.evidence.lines()))
        result.update(msg=f"{done.reason} See `{done.evidence.command}`.", evidence=asdict(done.evidence))
    return result
