# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells Prometheus how old, large and complete the backups are. An exporter, because ages grow also when no job runs any more.

python3 -m jobs exporter [--port 9188] [--interval 60]
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from backup import times
from backup.catalogue import Cache, Catalogue, read_catalogue
from backup.errors import BackupError
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from .databases import login
from .progress import say
from .settings import Settings

ARCHIVER = """SELECT (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'), failed_count,
    coalesce(extract(epoch FROM now() - last_archived_time), -1) FROM pg_stat_archiver"""
# Kinds of jobs that record their failure.
RECORDED = ("base", "dump", "init", "redis", "retention", "verify")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=9188, help="TCP port of the metrics")
    parser.add_argument("--interval", type=float, default=60, help="seconds between two looks at the store")


@dataclass(frozen=True)
class Archiver:
    """What the primary says about its own archiving."""

    waiting: int
    failures: int
    age_seconds: float


@dataclass(frozen=True)
class Look:
    """What was seen last; C(reachable) tells whether the newest attempt succeeded."""

    catalogue: Catalogue | None = None
    archiver: Archiver | None = None
    reachable: bool = False


@dataclass(frozen=True)
class Newest:
    """The newest complete backup of a kind."""

    moment: datetime
    seconds: float
    size: int


class Metrics(Collector):
    """Gauges made of the last look at the moment when they are asked for."""

    def __init__(self) -> None:
        self.look = Look()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return list(families(self.look, datetime.now(UTC)))


def families(look: Look, now: datetime) -> Iterator[GaugeMetricFamily]:
    yield gauge("store_up", "Whether the last look at the object store succeeded.", int(look.reachable))
    if look.archiver is not None:
        yield gauge("wal_waiting_segments", "Segments on the primary that are not archived yet.", look.archiver.waiting)
        yield gauge(
            "wal_failures", "Failed attempts to archive since the server's statistics began.", look.archiver.failures
        )
        if look.archiver.age_seconds >= 0:
            yield gauge("wal_archived_age_seconds", "Time since a segment was archived.", look.archiver.age_seconds)
    if look.catalogue is not None:
        yield from catalogue_families(look.catalogue, now)


def catalogue_families(found: Catalogue, now: datetime) -> Iterator[GaugeMetricFamily]:
    kinds = newest(found)
    ages = {kind: (now - each.moment).total_seconds() for kind, each in kinds.items()}
    yield gauge("catalogue_age_seconds", "Time since the store was read.", (now - found.at).total_seconds())
    yield labelled("age_seconds", "Age of the data in the newest backup.", ages)
    yield labelled("duration_seconds", "Time that the newest backup took.", {k: n.seconds for k, n in kinds.items()})
    yield labelled(
        "size_bytes", "Bytes that the newest backup takes in the store.", {k: n.size for k, n in kinds.items()}
    )
    counts = {"dump": valid(found.dumps), "base": len(found.valid_bases), "redis": valid(found.snapshots)}
    yield labelled("count", "Complete backups.", counts)
    yield gauge("wal_gaps", "Places in the archive where segments are missing.", len(found.gaps))
    yield gauge("wal_missing_segments", "Segments that are missing there.", sum(gap.count for gap in found.gaps))
    window = max(found.windows, key=lambda each: each.end, default=None)
    seconds = (window.end - window.start).total_seconds() if window else 0.0
    yield gauge("window_seconds", "Length of the newest stretch of time that can be recovered.", seconds)
    if window:
        yield gauge("window_end_age_seconds", "How far its end lies back.", (now - window.end).total_seconds())
    verified = [each for each in found.verifications if each.get("ok")]
    if verified:
        last = verified[-1]
        age = (now - times.parse(last["finished"])).total_seconds()
        yield gauge("verified_age_seconds", "Time since a backup was restored and proved.", age)
        yield gauge("verified_restore_seconds", "Time that restoring it took.", last["rto_seconds"])
    failures = {each["kind"]: each for each in found.failures if "kind" in each}
    failed = {kind: int(kind in failures) for kind in RECORDED}
    yield labelled("failed", "Whether the last run of a job failed.", failed)
    ages = {kind: (now - times.parse(each["time"])).total_seconds() for kind, each in failures.items()}
    yield labelled("failure_age_seconds", "Time since that failure.", ages)
    yield gauge("problems", "Things in the store that cannot be read or contradict each other.", len(found.problems))


def newest(found: Catalogue) -> dict[str, Newest]:
    kinds = {}
    for kind, copies in (("dump", found.dumps), ("redis", found.snapshots)):
        complete = [copy for copy in copies if copy.valid and copy.finished]
        if complete:
            last = complete[-1]
            assert last.finished is not None
            kinds[kind] = Newest(last.started, (last.finished - last.started).total_seconds(), last.size)
    if found.valid_bases:
        base = found.valid_bases[-1]
        kinds["base"] = Newest(base.stopped, (base.stopped - base.started).total_seconds(), base.stored)
    return kinds


def valid(copies: Iterable[Any]) -> int:
    return sum(copy.valid for copy in copies)


def gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"hustlex_backup_{name}", text, value=value)


def labelled(name: str, text: str, values: dict[str, Any]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"hustlex_backup_{name}", text, labels=["kind"])
    for kind, value in values.items():
        family.add_metric([kind], value)
    return family


def main(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    metrics = Metrics()
    registry = CollectorRegistry()
    registry.register(metrics)
    start_http_server(arguments.port, registry=registry)
    say(f"metrics on port {arguments.port}")
    cache: Cache = {}
    while True:
        began = time.monotonic()
        metrics.look = look_again(settings, metrics.look, cache)
        threading.Event().wait(max(1.0, arguments.interval - (time.monotonic() - began)))


def look_again(settings: Settings, before: Look, cache: Cache) -> Look:
    """What is there now; while the store does not answer, what was there last."""
    try:
        found = read_catalogue(
            settings.store(),
            datetime.now(UTC),
            stanza=settings.stanza,
            segment_bytes=settings.wal_segment_bytes,
            cache=cache,
        )
    except BackupError as error:
        say(str(error))
        return Look(before.catalogue, archiver(settings), reachable=False)
    return Look(found, archiver(settings), reachable=True)


def archiver(settings: Settings) -> Archiver | None:
    """None while no primary answers."""
    try:
        with login(settings, "monitor") as server:
            waiting, failures, age = server.rows("postgres", ARCHIVER)[0]
    except BackupError as error:
        say(str(error))
        return None
    return Archiver(int(waiting), int(failures), float(age))
