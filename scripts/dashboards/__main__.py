"""Write the dashboards; with --check only say which files are out of date."""

from __future__ import annotations

import sys

from .catalogue import FOLDER, files

COMMAND = "PYTHONPATH=scripts python -m dashboards"


def main(check: bool) -> str | None:
    """What is wrong, if anything."""
    wanted = files()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    surplus = sorted(set(FOLDER.glob("*.json")) - set(wanted))
    if check:
        names = ", ".join(path.name for path in [*stale, *surplus])
        return f"Dashboards are out of date ({names}): run {COMMAND}" if names else None
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    for path in surplus:
        path.unlink()
    return None


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
