"""Mounts that an interrupted run may have left on the machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")


def below(folder: Path, mountinfo: str) -> list[str]:
    """Mount points in and below `folder`, the innermost first."""
    points = [_unescaped(line.split()[4]) for line in mountinfo.splitlines()]
    found = [point for point in points if Path(point).is_relative_to(folder)]
    return sorted(found, key=len, reverse=True)


def detach_below(folder: Path) -> None:
    for point in below(folder, MOUNTINFO.read_text()):
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True, timeout=30)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
