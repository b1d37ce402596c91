"""Where panels turn orange or red: where the alerts fire."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

VARS = Path(__file__).resolve().parents[2] / "roles/monitoring/vars/main.yml"
MINUTE, HOUR, DAY = 60, 3600, 86400
# Guide 6.1. The alert's own limit follows backup_window_days, which a file that is made beforehand cannot.
RECOVERY_WINDOW_SECONDS = 7 * DAY


def threshold(name: str) -> float:
    """The default of a threshold of the alerts. Raises KeyError for one that does not exist, ValueError for one that is no number."""
    return float(_defaults()[name])


@cache
def _defaults() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(VARS.read_text(encoding="utf-8"))["__monitoring_threshold_defaults"]
    return found
