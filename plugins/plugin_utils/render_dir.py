# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes a set as plain YAML files, for review and for those who deploy by GitOps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..module_utils.kube.manifests import SET_LABEL, Manifest, dump
from ..module_utils.kube.mask import masked


def write_set(folder: Path, set_name: str, manifests: Iterable[Manifest], dry_run: bool) -> list[Path]:
    """Bring `folder/<set>` to hold exactly these manifests, one file each; returns the paths that changed.

    Only files that carry the label of the set are removed: whatever else lies there is left alone.
    """
    target = folder / set_name
    wanted = {target / _file_name(manifest): _text(manifest) for manifest in manifests}
    present = {path: path.read_text(encoding="utf-8") for path in target.glob("*.yaml")} if target.is_dir() else {}
    stale = [path for path, text in present.items() if path not in wanted and f"{SET_LABEL}: {set_name}\n" in text]
    different = [path for path, text in wanted.items() if present.get(path) != text]
    if not dry_run:
        target.mkdir(parents=True, exist_ok=True)
        for path in different:
            path.write_text(wanted[path], encoding="utf-8")
        for path in stale:
            path.unlink()
    return sorted(stale + different)


def _file_name(manifest: Manifest) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}".lower().replace(":", "-") + ".yaml"


def _text(manifest: Manifest) -> str:
    shown = masked(manifest)
    if shown["kind"] == "Secret" and "data" in shown:
        # A mask is not base64: as stringData the file stays valid for tools that check manifests.
        shown["stringData"] = shown.pop("data")
    return "---\n" + dump(shown)
