# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the API server says about an object it refuses, as one sentence that names the way out."""

from __future__ import annotations

import re

from .compare import differing_fields
from .errors import ApiError, KubeError
from .manifests import Manifest, describe

_IMMUTABLE = ("immutable", "may not change", "updates to", "cannot change", "cannot be changed")


def explain(error: KubeError, manifest: Manifest, live: Manifest | None) -> str:
    """One sentence about an object that could not be applied."""
    if not isinstance(error, ApiError):
        return str(error)
    text = str(error).strip().rstrip(".")
    if error.status == 422 and live is not None and any(words in text for words in _IMMUTABLE):
        return f"{describe(manifest)} cannot be changed in {_fields(error, manifest, live)}: {_way_out(manifest)}"
    if error.status == 404 and 'namespaces "' in text:
        name = manifest["metadata"].get("namespace")
        return f"{describe(manifest)}: the namespace {name} does not exist; create it first (--tags namespace)."
    if error.status == 403 and "being terminated" in text:
        name = manifest["metadata"].get("namespace")
        return f"{describe(manifest)}: the namespace {name} is being deleted; run this again when it is gone."
    if error.status in (401, 403) and " cannot " in text:
        return f"{describe(manifest)}: {text}."
    return f"{describe(manifest)} is refused: {_shortened(error, text)}."


def _fields(error: ApiError, manifest: Manifest, live: Manifest) -> str:
    """The fields at fault; for a StatefulSet the server only names, in quotes, those that may change."""
    named = [str(cause.get("field")) for cause in error.causes if cause.get("field") not in (None, "", "spec")]
    changeable = {f"spec.{name}" for name in re.findall(r"'(\w+)'", str(error))}
    fields = named or [name for name in differing_fields(live, manifest) if name not in changeable] or ["spec"]
    return " and ".join(dict.fromkeys(fields))


def _way_out(manifest: Manifest) -> str:
    kind, metadata = manifest["kind"], manifest["metadata"]
    place = f" -n {metadata['namespace']}" if metadata.get("namespace") else ""
    command = f"kubectl delete {kind.lower()} {metadata['name']}{place}"
    match kind:
        case "StatefulSet":
            return f"run `{command} --cascade=orphan` (its pods and volumes stay), then run this again."
        case "PersistentVolumeClaim":
            return "a volume can only grow; set it back, or move the data to a new claim."
        case "Deployment" | "DaemonSet":
            return f"run `{command}` (its pods stop until the next run), then run this again."
        case _:
            return f"run `{command}`, then run this again."


def _shortened(error: ApiError, text: str) -> str:
    """The server repeats whole objects in some messages; its causes say the same in few words."""
    causes = [
        f"{cause['field']}: {str(cause.get('message', '')).strip()}"
        if cause.get("field")
        else str(cause.get("message"))
        for cause in error.causes
    ]
    if error.status == 422 and causes and len(text) > 300:
        text = "; ".join(causes)
    return text if len(text) <= 600 else text[:600] + "..."
