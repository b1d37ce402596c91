"""Random lives of a database: bases, WAL, failovers, recoveries, ways back, gaps, pins, broken sets, damage, clocks."""

from __future__ import annotations

from dataclasses import dataclass

from backup import wal
from backup.chains import chains
from hypothesis import event
from hypothesis import strategies as st

from .repository import BASES, Repository, day

EVENTS = (
    "base",
    "base",
    "base",
    "wal",
    "wal",
    "wal",
    "increment",
    "failover",
    "pitr",
    "revert",
    "excursion",
    "dump",
    "redis",
    "pause",
)
STEP = 0.25
# What is wrong with the bucket or the clock when somebody looks; most lives are sound.
FAULTS = ("none",) * 8 + ("lost", "lost", "gap", "emptied", "doubled", "manifest", "info", "skew")


@dataclass
class Life:
    """One database that lives from event to event, a quarter of a day each."""

    repository: Repository
    now: float = 0.0
    timeline: int = 1
    position: int = 1
    newest: int = 1

    def __post_init__(self) -> None:
        self.histories: dict[int, list[tuple[int, str]]] = {1: []}
        self.ends: dict[int, int] = {}
        self.fulls: dict[int, str] = {}

    def live(self, event: str, amount: int) -> None:
        self.now += STEP
        if event == "base":
            self.write(1)
            self.fulls[self.timeline] = self.base(pinned=amount == 7, error=amount == 6)
        elif event == "increment" and self.timeline in self.fulls:
            self.write(1)
            self.base(prior=self.fulls[self.timeline])
        elif event == "wal":
            self.write(1 + amount)
        elif event == "failover":
            self.branch(self.position)
        elif event == "pitr":
            self.write(1)
            self.branch(max(2, self.position - amount))
        elif event == "revert":
            self.revert()
        elif event == "excursion":
            self.write(3)
            self.branch(self.position - 1)
            self.base(pinned=amount >= 4)
            self.write(1)
            self.revert()
        elif event in ("dump", "redis"):
            self.repository.dump(day(self.now), kind=event, pinned=amount == 7, complete=amount != 6)

    def revert(self) -> None:
        """Go on where the parent of this timeline was left."""
        if self.histories[self.timeline]:
            self.ends[self.timeline] = self.position
            self.timeline = self.histories[self.timeline][-1][0]
            self.position = self.ends[self.timeline]
            self.write(1)

    def base(self, **options: object) -> str:
        number = self.position - 1
        return self.repository.base(day(self.now), number, timeline=self.timeline, minutes=5, **options)

    def write(self, count: int) -> None:
        for _segment in range(count):
            self.repository.segment(self.timeline, self.position, day(self.now + 0.01))
            self.position += 1

    def branch(self, position: int) -> None:
        parent = self.timeline
        self.ends[parent] = self.position
        lsn = wal.format_lsn(position * wal.DEFAULT_SEGMENT_BYTES + 0x100)
        self.newest += 1
        history = [one for one in self.histories[parent] if wal.parse_lsn(one[1]) <= wal.parse_lsn(lsn)]
        kept = len(history) == len(self.histories[parent])
        # A target before the parent's own beginning would have been recovered on the parent's parent.
        if not kept:
            self.newest -= 1
            return
        self.timeline, self.position = self.newest, position
        self.histories[self.timeline] = [*history, (parent, lsn)]
        self.repository.history(self.timeline, *self.histories[self.timeline], at=day(self.now))
        self.write(1)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Repository, float]:
    """(repository, the day on which it is looked at)."""
    life = Life(Repository())
    events = draw(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 7)), min_size=8, max_size=60))
    for happening, amount in events:
        life.live(happening, amount)
    fault = draw(st.sampled_from(FAULTS))
    spoil(life.repository, fault, draw)
    event(f"fault: {fault}")
    return life.repository, life.now + 0.1


def spoil(repository: Repository, fault: str, draw: st.DrawFn) -> None:
    segments = sorted(key for key in repository.objects if key.endswith(".zst"))
    manifests = sorted(key for key in repository.objects if key.endswith("backup.manifest"))
    if fault == "skew":
        repository.skew = draw(st.sampled_from([-400.0, -200.0, 200.0, 400.0]))
    elif fault == "manifest" and manifests:
        repository.objects[draw(st.sampled_from(manifests))] = (b"not readable", 0.0)
    elif fault == "info" and manifests:
        for suffix in ("", ".copy")[: draw(st.integers(1, 2))]:
            repository.objects[f"{BASES}backup.info{suffix}"] = (b"not readable", 0.0)
    elif fault == "gap" and segments:
        first = draw(st.integers(0, len(segments) - 1))
        for key in segments[first : first + draw(st.integers(2, 12))]:
            del repository.objects[key]
    elif fault in ("lost", "emptied", "doubled") and segments:
        for key in draw(st.lists(st.sampled_from(segments), min_size=1, max_size=2, unique=True)):
            content, at = repository.objects[key]
            if fault == "lost":
                del repository.objects[key]
            elif fault == "emptied":
                repository.objects[key] = (b"", at)
            else:
                name, _dash, _sha1 = key.rpartition("-")
                repository.objects[f"{name}-{'0' * 40}.zst"] = (content, at)


def recoverable(repository: Repository, now: float, cutoff: float) -> dict[tuple[int, int], float]:
    """From which day on the WAL of a segment in the window can be recovered, by (timeline, number)."""
    catalogue = repository.catalogue(day(now))
    found: dict[tuple[int, int], float] = {}
    for way in chains(catalogue.archive, catalogue.valid_bases):
        since = max(way.base.stopped.timestamp(), day(cutoff).timestamp())
        for piece in way.pieces:
            for segment in catalogue.archive.segments(piece.timeline).between(piece.first, piece.last):
                if segment.modified >= since:
                    spot = (piece.timeline, segment.number)
                    found[spot] = min(since, found.get(spot, since))
    return found
