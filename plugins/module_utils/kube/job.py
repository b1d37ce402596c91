# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs one Job to its end, shows what it writes, and gives its result or the reason why there is none.

A Job outlives the controller that started it: the next run of the same name finds it, and waits for it.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from . import evidence, job_log, job_manifest
from .client import Client
from .diagnosis import Finding
from .errors import ApiError, KubeError
from .evidence import Evidence
from .job_manifest import Overrides
from .kinds import WELL_KNOWN
from .lease import without_lease
from .manifests import Manifest
from .mask import Masker
from .pod import all_succeeded, claims_of
from .refusal import explain
from .removal import remove
from .rollout import Limits, Look, Outcome, Scope, Waiter
from .workload import Progress, progress, wanted_pods

JOBS, CRON_JOBS = WELL_KNOWN["batch/v1", "Job"], WELL_KNOWN["batch/v1", "CronJob"]
UNSCHEDULABLE_GRACE_SECONDS = 120.0
SECONDS_BETWEEN_LINES = 15.0
SECONDS_BETWEEN_LOGS = 1.0
LOG_LINES = 200
_NOTHING_SAID = re.compile(r"0/1 ready; waiting for | \(pod \S+ runs, but is not ready yet\)")
# An older result is no answer to what a person asks for now.
ADOPTED_WITHIN = timedelta(hours=1)
# Kubernetes ends a Job a little later than we do: until then its log can be read.
DEADLINE_MARGIN_SECONDS = 60


@dataclass(frozen=True)
class Order:
    """Which Job is to run, and how long to wait for it.

    name: names the Job, and so what can be running only once.
    template: a Job's manifest, or empty when `cron_job` names the CronJob that has it.
    leave_at_timeout: the Job goes on when the wait is over (the next run waits on), else it is stopped.
    adopt_finished: take the result of an equal Job that succeeded in the last hour while nobody looked.
    """

    namespace: str
    name: str
    template: Mapping[str, Any] = field(default_factory=dict)
    cron_job: str = ""
    overrides: Overrides = field(default_factory=Overrides)
    timeout: float = 3600
    leave_at_timeout: bool = False
    adopt_finished: bool = False


@dataclass(frozen=True)
class JobResult:
    """How a Job ended.

    report: the object of its RESULT line; log_tail: its last lines; both with the values of Secrets hidden.
    image_id: what the node ran in its container, `repository@sha256:...` where the node knows the digest.
    reason: why it did not succeed, in one sentence; the Job is kept then, and `evidence` shows what is behind it.
    """

    succeeded: bool
    name: str
    pod: str = ""
    report: dict[str, Any] = field(default_factory=dict)
    log_tail: list[str] = field(default_factory=list)
    seconds: float = 0.0
    reason: str = ""
    evidence: Evidence | None = None
    resumed: bool = False
    image_id: str = ""


def planned(client: Client, order: Order) -> Manifest:
    """The Job that an order stands for; raises KubeError when its CronJob is not there."""
    template: Mapping[str, Any] = order.template
    if order.cron_job:
        cron_job = client.find(CRON_JOBS, order.namespace, order.cron_job)
        if cron_job is None:
            raise KubeError(
                f"CronJob {order.cron_job} is not in namespace {order.namespace}: deploy it first"
                " (playbooks/deploy.yml)."
            )
        template = job_manifest.from_cron_job(cron_job)
    overrides = order.overrides
    if not order.leave_at_timeout and not overrides.deadline_seconds:
        overrides = replace(overrides, deadline_seconds=int(order.timeout) + DEADLINE_MARGIN_SECONDS)
    return job_manifest.job(template, order.name, order.namespace, overrides)


def run_job(
    connect: Callable[[], Client],
    order: Order,
    on_progress: Callable[[str], None] = lambda _line: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    beat: Callable[[Client], None] = without_lease,
) -> JobResult:
    """Start the Job or find it running, wait, and tidy up after success.

    Raises KubeError when it cannot be started; a Job that ran and failed is a result.
    """
    client = connect()
    manifest = planned(client, order)
    resumed = _start(client, manifest, order.adopt_finished, on_progress)
    hide = evidence.masker(client, order.namespace)
    container = job_manifest.container_of(manifest, order.overrides.container)
    waiter = _JobWaiter(connect, order, container, hide, on_progress, clock, sleep, beat)
    outcome = waiter.wait()
    client = waiter.client
    clean = hide or Masker()
    if not outcome.look.snapshot.workloads:
        # Whoever else waited for it has removed it.
        if report := job_log.report_of(waiter.read, clean):
            return JobResult(True, order.name, report=report, seconds=round(outcome.seconds, 1), resumed=resumed)
        raise KubeError(f"Job {order.name} was removed by somebody while it ran: look at what it left, then run again.")
    lines, pod = waiter.last_lines(outcome.look)
    result = JobResult(
        succeeded=outcome.look.is_ready,
        name=order.name,
        pod=pod["metadata"]["name"] if pod else "",
        report=job_log.report_of(lines, clean),
        log_tail=[clean.text(line) for line in lines if job_log.is_progress(line)][-20:] if hide else [],
        seconds=round(outcome.seconds, 1),
        resumed=resumed,
        image_id=_image_id(pod, container),
    )
    if result.succeeded:
        if order.cron_job:
            _note_success(client, order, outcome.look.snapshot.workloads[0])
        client.delete(JOBS, order.namespace, order.name)
        return result
    cause = outcome.failures[0] if outcome.failures else _not_in_time(outcome, order)
    found = evidence.collect(client, _plain(cause), outcome.look.snapshot, hide, 20)
    if not found.logs and result.log_tail:
        found = replace(found, logs={f"{result.pod}/{container}": result.log_tail})
    if not progress(cause.workload).failure and not order.leave_at_timeout:
        remove(client, JOBS, order.namespace, order.name)
    return replace(result, reason=found.reason, evidence=found)


def _start(client: Client, manifest: Manifest, adopt_finished: bool, say: Callable[[str], None]) -> bool:
    """Whether an equal Job is there already; what has ended makes room for a new run."""
    namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    live = client.find(JOBS, namespace, name)
    if live is not None and not live["metadata"].get("deletionTimestamp"):
        state = progress(live)
        if not state.failure and not state.ready:
            if not job_manifest.same_job(live, manifest):
                since = (live.get("status") or {}).get("startTime") or live["metadata"].get("creationTimestamp")
                raise KubeError(
                    f"Job {name} already runs since {since}, with other settings: wait until it has ended, or stop it"
                    f" with `kubectl delete job {name} -n {namespace}`."
                )
            say(f"Job {name} is running already: wait for it")
            return True
        if state.ready and adopt_finished and job_manifest.same_job(live, manifest) and _is_recent(live):
            say(f"Job {name} has ended already: take its result")
            return True
    if live is not None:
        remove(client, JOBS, namespace, name)
    try:
        client.apply(JOBS, manifest)
    except ApiError as error:
        raise KubeError(explain(error, manifest, None)) from error
    return False


def _note_success(client: Client, order: Order, job: Mapping[str, Any]) -> None:
    """Who may run Jobs need not be one who may change CronJobs."""
    ended = (job.get("status") or {}).get("completionTime")
    with contextlib.suppress(ApiError):
        change = {"metadata": {"annotations": {job_manifest.BY_HAND_ANNOTATION: ended}}}
        client.merge(CRON_JOBS, order.namespace, order.cron_job, change)


def _is_recent(job: Mapping[str, Any]) -> bool:
    ended = (job.get("status") or {}).get("completionTime")
    return ended is not None and datetime.now(UTC) - datetime.fromisoformat(ended) < ADOPTED_WITHIN


@dataclass(frozen=True)
class _OneJob(Scope):
    """Nothing but the Job of that name."""

    name: str = ""

    def workloads(self, client: Client) -> list[dict[str, Any]]:
        found = client.find(JOBS, self.namespace, self.name)
        return [found] if found is not None else []


class _JobWaiter(Waiter):
    """Waits for the Job, and passes on what its pod writes."""

    def __init__(
        self,
        connect: Callable[[], Client],
        order: Order,
        container: str,
        hide: Masker | None,
        say: Callable[[str], None],
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        beat: Callable[[Client], None],
    ) -> None:
        limits = Limits(order.timeout, UNSCHEDULABLE_GRACE_SECONDS, SECONDS_BETWEEN_LINES)
        scope = _OneJob(order.namespace, (), (), order.name)
        super().__init__(connect, scope, limits, lambda line: say(_short(line)), clock, sleep, beat)
        self._container, self._hide, self._show = container, hide, say
        # The completion of such a Job is what its CronJob's record of successes is made of.
        self._is_scheduled = bool(order.cron_job)
        self._tails: dict[str, job_log.Tail] = {}
        self._read_at = float("-inf")
        self.read: list[str] = []

    def _look_again(self, current: Look | None, began: float) -> Look:
        found = super()._look_again(current, began)
        if not found.is_ready and self._is_done(found):
            found = replace(found, progress=[Progress(True, "done")])
        if found.is_ready or self._clock() - self._read_at >= SECONDS_BETWEEN_LOGS:
            self._read_at = self._clock()
            self._follow(found)
        return found

    def _is_done(self, look: Look) -> bool:
        """Whether its only pod has done its work, which Kubernetes says of the Job two seconds later.

        A volume is free for the next pod only when Kubernetes has seen the end, too.
        """
        if self._is_scheduled or any(wanted_pods(job) != 1 for job in look.snapshot.workloads):
            return False
        own = [pod for pod in look.snapshot.pods if _is_of(pod, look)]
        return any(all_succeeded(pod) and not claims_of(pod) for pod in own)

    def _follow(self, look: Look) -> None:
        """Not being able to read the log is no reason to stop waiting; not being able to hide secrets is one not to."""
        if self._hide is None:
            return
        for pod in look.snapshot.pods:
            if _is_of(pod, look):
                tail = self._tails.setdefault(pod["metadata"]["name"], job_log.Tail())
                fresh = tail.fresh(self._log(pod))
                self.read += fresh
                for line in fresh:
                    if job_log.is_progress(line):
                        self._show(self._hide.text(line))

    def last_lines(self, look: Look) -> tuple[list[str], Mapping[str, Any]]:
        """Last lines of the newest pod, and the pod."""
        pods = self.client.list(WELL_KNOWN["v1", "Pod"], self._scope.namespace)
        own = [pod for pod in pods if _is_of(pod, look)]
        if not own:
            return [], {}
        newest = max(own, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
        lines = [line.partition(" ")[2] for line in self._log(newest).splitlines()]
        return lines, newest

    def _log(self, pod: Mapping[str, Any]) -> str:
        metadata = pod["metadata"]
        try:
            text = self.client.log(metadata["namespace"], metadata["name"], self._container, LOG_LINES, stamped=True)
        except KubeError:
            return ""
        return "" if text.startswith(evidence.NO_LOG) else text


def _image_id(pod: Mapping[str, Any], container: str) -> str:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return next((str(each.get("imageID") or "") for each in statuses if each["name"] == container), "")


def _is_of(pod: Mapping[str, Any], look: Look) -> bool:
    uids = {workload["metadata"]["uid"] for workload in look.snapshot.workloads}
    return any(each.get("uid") in uids for each in pod["metadata"].get("ownerReferences") or [])


def _short(line: str) -> str:
    """A line of the wait without what says nothing about a Job: the count, and that its pod is not ready."""
    return _NOTHING_SAID.sub("", line)


def _plain(finding: Finding) -> Finding:
    """That the one attempt was the last one goes without saying; the pod's last words are the reason."""
    marker = " failed: Job has reached the specified backoff limit"
    return replace(finding, reason=finding.reason.replace(marker, " failed"))


def _not_in_time(outcome: Outcome, order: Order) -> Finding:
    workload = outcome.look.snapshot.workloads[0]
    metadata = workload["metadata"]
    fate = "it goes on, and the same command waits for it again" if order.leave_at_timeout else "it was stopped"
    return Finding(
        key=(metadata["uid"],),
        workload=workload,
        reason=f"Job {metadata['name']} has not ended after {outcome.seconds:.0f} s: {fate}.",
        command=f"kubectl get events -n {metadata['namespace']}",
        pods=tuple(pod for pod in outcome.look.snapshot.pods if _is_of(pod, outcome.look)),
    )
