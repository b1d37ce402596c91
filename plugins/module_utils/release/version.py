# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Versions and images: what may be asked for, and what of it is pinned."""

from __future__ import annotations

import re

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_MUTABLE = re.compile(r"(latest|main|master|develop|dev|edge|stable|nightly)")


def version_problem(version: str, environment: str) -> str:
    """Why a version cannot be released, in one sentence; empty when it can."""
    advice = "give a release tag (-e app_version=v1.2.3) or a digest (-e app_version=sha256:...)"
    if not version:
        return f"app_version is not set: {advice}."
    if version.startswith("sha256:"):
        if not _DIGEST.fullmatch(version):
            return f'app_version "{version}" is no digest: sha256: and 64 of the digits 0 to 9 and a to f.'
    elif not _TAG.fullmatch(version):
        return f'app_version "{version}" is no image tag: letters, digits, "_", "." and "-", 128 of them at most.'
    elif environment == "production" and _MUTABLE.fullmatch(version):
        return f'app_version "{version}" names no fixed version: {advice}.'
    return ""


def reference(image: str, version: str) -> str:
    """The image as a pod names it."""
    return f"{image}{'@' if version.startswith('sha256:') else ':'}{version}"


def is_same(running: str, wanted: str) -> bool:
    """Whether the image that runs, pinned or not, is surely the one that is wanted: a tag that moves never is."""
    if "@" in wanted:
        return running == wanted
    return running.partition("@")[0] == wanted and not _MUTABLE.fullmatch(wanted.rpartition(":")[2])


def pinned(wanted: str, image_id: str) -> str:
    """The reference with the digest that a node resolved it to; as it is when the node knows none of its registry.

    image_id: what a container's status says, such as `example.org/api@sha256:...`, or `sha256:...` of an image that was
    loaded into the node and has no digest in any registry.
    """
    repository, _at, digest = image_id.removeprefix("docker-pullable://").partition("@")
    if "@" in wanted or not repository or not _DIGEST.fullmatch(digest):
        return wanted
    return f"{wanted}@{digest}"


def is_pinned(image: str) -> bool:
    return "@sha256:" in image
