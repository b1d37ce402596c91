"""A week of backups as they are in production: one gap, one timeline switch, one failure."""

from datetime import UTC, datetime, timedelta

from ansible_collections.hustlex.platform.plugins.module_utils.backup_report.view import (
    Failure,
    Gap,
    Item,
    Run,
    Verification,
    View,
    Window,
)

NOW = datetime(2026, 11, 24, 3, 0, 5, tzinfo=UTC)
SEGMENT = 16 * 2**20


def _before(**ago: float) -> datetime:
    return NOW - timedelta(**ago)


def _wal(timeline: int, number: int) -> str:
    return f"{timeline:08X}{number // 256:08X}{number % 256:08X}"


def week() -> View:
    bases = [
        Item(f"202611{24 - day:02}-020003F", _before(days=day, minutes=60), _before(days=day, minutes=58), 3 << 30)
        for day in range(8, -1, -1)
    ]
    dumps = [
        Item(f"{_before(hours=hour):%Y%m%dT%H0000Z}", _before(hours=hour), _before(hours=hour, minutes=-2), 900 << 20)
        for hour in range(30 * 24, 0, -1)
    ]
    snapshots = [
        Item(f"{_before(minutes=15 * n):%Y%m%dT%H%M00Z}", _before(minutes=15 * n), _before(minutes=15 * n), 4 << 20)
        for n in range(7 * 96, 0, -1)
    ]
    return View(
        name="production (hustlex-backups)",
        taken=NOW,
        windows=[
            Window(_before(days=8, minutes=58), _before(days=3, hours=5), 1, bases[0].id),
            Window(_before(days=2, minutes=58), _before(seconds=34), 2, bases[6].id),
        ],
        bases=bases,
        runs=[
            Run(
                1,
                _wal(1, 2),
                _wal(1, 7000),
                6999,
                6999 * SEGMENT // 3,
                _before(days=8, hours=1),
                _before(days=3, hours=5),
            ),
            Run(
                1, _wal(1, 7003), _wal(1, 9000), 1998, 1998 * SEGMENT // 3, _before(days=3, hours=4), _before(hours=30)
            ),
            Run(2, _wal(2, 9001), _wal(2, 10800), 1800, 600 * SEGMENT, _before(hours=30), _before(seconds=34)),
        ],
        gaps=[Gap(1, _wal(1, 7001), _wal(1, 7002), 2, _before(days=3, hours=5), _before(days=3, hours=4))],
        dumps=dumps,
        snapshots=snapshots,
        verifications=[
            Verification("20261115T040000Z", _before(days=9), False, 0, 0, "index orders_pkey is corrupt"),
            Verification("20261122T040000Z", _before(days=1, hours=23), True, 812, 41),
        ],
        failures=[
            Failure("dump", _before(hours=5), "The store refuses to write postgres/dumps: its user lacks the right.")
        ],
        problems=["postgres/dumps/20261101T030000Z has no manifest: it is incomplete, and is not used."],
    )
