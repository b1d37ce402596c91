# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the text of templates to a checked, labelled and ordered set of manifests; no cluster takes part."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from .errors import ManifestError
from .kinds import apply_rank, is_namespaced

Manifest = dict[str, Any]

SET_LABEL = "hustlex.app/set"
SET_NAMESPACE_LABEL = "hustlex.app/set-namespace"
PART_OF = "hustlex"
MANAGED_BY = "hustlex.platform"

_NAME = re.compile(r"[a-z0-9A-Z]([-a-z0-9A-Z.:]*[a-z0-9A-Z])?")
_SET_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")


class _Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: dates stay text, and a key that is there twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _value in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.tag != "tag:yaml.org,2002:merge":
                if key_node.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f'the key "{key_node.value}" is there twice', key_node.start_mark
                    )
                seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def load(sources: Iterable[tuple[str, str]]) -> list[tuple[str, Manifest]]:
    """Objects of (file name, YAML text) pairs with the file each one comes from; `List` objects are taken apart."""
    found: list[tuple[str, Manifest]] = []
    for origin, text in sources:
        try:
            documents = list(yaml.load_all(text, Loader=_Loader))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" at line {mark.line + 1} of the rendered text" if mark else ""
            problem = getattr(error, "problem", None) or str(error)
            raise ManifestError(f"{origin} is not valid YAML{where}: {problem}.") from error
        for document in documents:
            if document is None:
                continue
            if not isinstance(document, dict):
                raise ManifestError(f"{origin} holds a {type(document).__name__} where a Kubernetes object belongs.")
            is_list = document.get("kind") == "List" and isinstance(document.get("items"), list)
            found.extend((origin, item) for item in (document["items"] if is_list else [document]))
    return found


def prepare(loaded: Iterable[tuple[str, Manifest]], set_name: str, namespace: str) -> list[Manifest]:
    """The set as it is applied: checked, with namespace and labels filled in, in the order of applying.

    Raises ManifestError with the first thing that a person must mend.
    """
    if not _SET_NAME.fullmatch(set_name):
        raise ManifestError(f'"{set_name}" cannot name a set: lower-case letters, digits, "-" and "." only.')
    seen: dict[tuple[str, str, str, str], str] = {}
    prepared = []
    for origin, manifest in loaded:
        _check(origin, manifest)
        manifest = _stamped(json.loads(json.dumps(manifest)), set_name, namespace)
        key = identity(manifest)
        if key in seen:
            raise ManifestError(f"{describe(manifest)} is defined twice: in {seen[key]} and in {origin}.")
        seen[key] = origin
        prepared.append(manifest)
    return sorted(prepared, key=apply_rank)


def identity(manifest: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Group, kind, namespace and name: what makes an object the same one whatever its version."""
    metadata = manifest["metadata"]
    group = str(manifest["apiVersion"]).rpartition("/")[0]
    return group, manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def describe(manifest: Mapping[str, Any]) -> str:
    """`StatefulSet postgres`, for sentences."""
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def dump(manifest: Mapping[str, Any]) -> str:
    """An object as YAML that a person reads: known keys first, text of several lines as such."""
    return yaml.dump(dict(manifest), Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=2**20)


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.CSafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _represent_text)


def _check(origin: str, manifest: Any) -> None:
    if not isinstance(manifest, dict):
        raise ManifestError(f"{origin} holds a {type(manifest).__name__} where a Kubernetes object belongs.")
    metadata = manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    for field, value in (
        ("apiVersion", manifest.get("apiVersion")),
        ("kind", manifest.get("kind")),
        ("metadata.name", name),
    ):
        if not isinstance(value, str) or not value:
            what = manifest.get("kind") or "an object"
            raise ManifestError(f"{origin}: {what} has no {field}, or one that is not text.")
    if not _NAME.fullmatch(str(name)):
        raise ManifestError(f'{origin}: {manifest["kind"]} has the name "{name}", which Kubernetes does not allow.')
    for field in ("labels", "annotations"):
        _check_texts(origin, manifest, f"metadata.{field}", (metadata or {}).get(field))
    if manifest["kind"] in ("ConfigMap", "Secret"):
        for field in ("data", "stringData", "binaryData"):
            _check_texts(origin, manifest, field, manifest.get(field))
    if manifest["kind"] == "Secret":
        for field in ("data", "stringData"):
            for key, value in (manifest.get(field) or {}).items():
                if not value:
                    raise ManifestError(f'{origin}: {describe(manifest)} has an empty value for "{key}".')
    try:
        json.dumps(manifest)
    except (TypeError, ValueError) as error:
        raise ManifestError(
            f"{origin}: {describe(manifest)} holds a value that Kubernetes cannot take: {error}."
        ) from error


def _check_texts(origin: str, manifest: Manifest, field: str, values: Any) -> None:
    if values is None:
        return
    if not isinstance(values, dict):
        raise ManifestError(f"{origin}: {describe(manifest)} has a {field} that is not a mapping.")
    for key, value in values.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ManifestError(
                f'{origin}: {describe(manifest)} has in {field} a value for "{key}" that is not text: put it in quotes.'
            )


def _stamped(manifest: Manifest, set_name: str, namespace: str) -> Manifest:
    metadata = manifest["metadata"]
    labels = {
        "app.kubernetes.io/part-of": PART_OF,
        "app.kubernetes.io/managed-by": MANAGED_BY,
        SET_LABEL: set_name,
    }
    if is_namespaced(manifest["apiVersion"], manifest["kind"]):
        metadata.setdefault("namespace", namespace)
    else:
        metadata.pop("namespace", None)
        # Two environments on one cluster have sets of the same name: neither may prune the other's.
        labels[SET_NAMESPACE_LABEL] = namespace
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    if manifest["kind"] == "Secret" and manifest.get("stringData"):
        # stringData is write-only: kept as it is, nobody could compare it with the live object.
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in manifest.pop("stringData").items()}
        manifest["data"] = {**(manifest.get("data") or {}), **encoded}
    return manifest
