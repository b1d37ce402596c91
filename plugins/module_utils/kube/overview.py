# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One line for each workload of an environment. Pure functions over plain objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .manifests import SET_LABEL
from .workload import ready_pods, wanted_pods

Object = Mapping[str, Any]

HEADINGS = ("component", "kind", "version", "ready", "address", "age")


@dataclass(frozen=True)
class Component:
    component: str
    kind: str
    set: str
    version: str
    ready: str
    address: str
    age: str


def components(workloads: Iterable[Object], services: Sequence[Object], now: datetime) -> list[Component]:
    """The workloads as they are shown, in the order given."""
    return [_component(workload, services, now) for workload in workloads]


def table(rows: Iterable[Component]) -> list[str]:
    """Aligned lines with a heading; none when there is nothing to show."""
    cells = [tuple(getattr(row, name) or "-" for name in HEADINGS) for row in rows]
    if not cells:
        return []
    cells.insert(0, tuple(name.upper() for name in HEADINGS))
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def version_of(image: str) -> str:
    """`v1.2.3` of `registry:5000/api:v1.2.3`; of a digest its first 12 digits."""
    image, _at, digest = image.partition("@")
    tag = image.rpartition("/")[2].partition(":")[2]
    return tag or (f"sha256:{digest.removeprefix('sha256:')[:12]}" if digest else "latest")


def age(created: str, now: datetime) -> str:
    """Time since then in its largest unit, as kubectl shows it: 45s, 12m, 3h, 8d."""
    seconds = max(0, int((now - datetime.fromisoformat(created)).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size * 2 or (unit == "m" and seconds >= size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _component(workload: Object, services: Sequence[Object], now: datetime) -> Component:
    metadata = workload["metadata"]
    pod = workload["spec"]["template"]
    return Component(
        component=metadata["name"],
        kind=workload["kind"],
        set=metadata["labels"][SET_LABEL],
        version=version_of(pod["spec"]["containers"][0]["image"]),
        ready=f"{ready_pods(workload)}/{wanted_pods(workload)}",
        address=_address(pod, sorted(services, key=lambda service: service["metadata"]["name"] != metadata["name"])),
        age=age(metadata["creationTimestamp"], now),
    )


def _address(pod: Object, services: Sequence[Object]) -> str:
    """Name and port of the first Service that selects the pods, or a single pod of them."""
    labels = (pod.get("metadata") or {}).get("labels") or {}
    for service in services:
        spec = service.get("spec") or {}
        selector = {
            key: value
            for key, value in (spec.get("selector") or {}).items()
            if key not in ("statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index")
        }
        if selector and all(labels.get(key) == value for key, value in selector.items()) and spec.get("ports"):
            return f"{service['metadata']['name']}:{spec['ports'][0]['port']}"
    return ""
