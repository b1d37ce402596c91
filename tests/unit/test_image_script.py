"""scripts/image against a registry that is a file."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "image"
IMAGE = "registry.test/hustlex/api"
GOOD, OTHER = (f"sha256:{letter * 64}" for letter in "ab")
# What the script needs of `docker buildx imagetools`; versions of the registry's file are tags and digests.
DOCKER = """#!/usr/bin/env python3
import json, os, sys
from pathlib import Path
file = Path(os.environ["REGISTRY_FILE"])
held = json.loads(file.read_text())
def version(reference):
    assert reference.startswith("registry.test/hustlex/api"), reference
    return reference.removeprefix("registry.test/hustlex/api")[1:]
if "broken" in held:
    sys.exit(held["broken"])
*_, action, rest = [sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]]
wanted = version(rest[-1])
if wanted not in held:
    sys.exit(f"ERROR: {rest[-1]}: not found")
if action == "create":
    if "immutable" in held and version(rest[rest.index("--tag") + 1]) in held:
        sys.exit("ERROR: tag is immutable")
    held[version(rest[rest.index("--tag") + 1])] = held.get("rewritten", held[wanted])
    file.write_text(json.dumps(held))
else:
    print(json.dumps({"mediaType": "application/vnd.oci.image.index.v1+json", "digest": held[wanted]}))
"""


class Checkout:
    """A commit, and a registry with an image that was built from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = folder / "registry.json"
        (folder / "bin").mkdir()
        docker = folder / "bin" / "docker"
        docker.write_text(DOCKER)
        docker.chmod(0o755)
        self.git("init", "--quiet")
        self.git("-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--allow-empty", "--message=one")
        self.tag = f"tree-{self.git('rev-parse', 'HEAD^{tree}')}"
        self.push({self.tag: GOOD, "v1.2.3": GOOD, GOOD: GOOD, OTHER: OTHER, "v2": OTHER})

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def push(self, versions: dict[str, str]) -> None:
        held = json.loads(self.registry.read_text()) if self.registry.exists() else {}
        self.registry.write_text(json.dumps(held | versions))

    def run(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        environment = {
            **os.environ,
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "IMAGE": IMAGE,
            "REGISTRY_FILE": str(self.registry),
            **variables,
        }
        environment.pop("GITHUB_ACTIONS", None)
        command = [SCRIPT, *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=30
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_an_image_of_this_content_is_found_whatever_commit_brought_it(checkout: Checkout) -> None:
    expected = (0, f"digest={GOOD}\ntag={checkout.tag}\n", "")
    assert checkout.run("find") == expected
    checkout.git("-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--allow-empty", "--message=merge")
    assert checkout.run("find", "") == expected


def test_nothing_built_yet_is_no_failure(checkout: Checkout) -> None:
    checkout.registry.write_text("{}")
    assert checkout.run("find") == (0, f"digest=\ntag={checkout.tag}\n", "")


@pytest.mark.parametrize("version", ["v1.2.3", GOOD])
def test_a_version_becomes_its_digest(checkout: Checkout, version: str) -> None:
    assert checkout.run("find", version) == (0, f"digest={GOOD}\n", "")


@pytest.mark.parametrize("version", ["v9", f"sha256:{'c' * 64}"])
def test_an_unknown_version_is_refused(checkout: Checkout, version: str) -> None:
    code, output, said = checkout.run("find", version)
    assert (code, output) == (1, "")
    assert f"{version} does not exist" in said


@pytest.mark.parametrize("version", ["-v", "a b", "x\ndigest=evil", "sha256:abc", "a/b", "@x", "é"])
def test_a_malformed_version_never_reaches_docker(checkout: Checkout, version: str) -> None:
    code, output, said = checkout.run("staged", version)
    assert (code, output) == (1, "")
    assert "neither a tag nor a digest" in said


@pytest.mark.parametrize("arguments", [["staged"], ["staged", ""], ["staged", "v1.2.3"], ["staged", GOOD]])
def test_production_gets_an_image_only_after_staging_ran_it(checkout: Checkout, arguments: list[str]) -> None:
    code, output, said = checkout.run(*arguments)
    assert (code, output) == (1, "")
    assert f"Staging never ran {IMAGE}@{GOOD}" in said
    assert checkout.run("record", GOOD) == (0, "", "")
    assert checkout.run(*arguments) == (0, f"digest={GOOD}\n", "")
    assert checkout.run("staged", "v2")[0] == 1


def test_recording_again_is_harmless_where_tags_are_immutable(checkout: Checkout) -> None:
    checkout.push({"immutable": "yes"})
    assert checkout.run("record", GOOD) == (0, "", "")
    assert checkout.run("record", GOOD) == (0, "", "")


def test_content_that_was_never_built_is_refused(checkout: Checkout) -> None:
    (checkout.folder / "file").write_text("more than staging ran")
    checkout.git("add", "file")
    checkout.git("-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--message=two")
    code, output, said = checkout.run("staged")
    assert (code, output) == (1, "")
    assert "staging never ran it" in said


def test_a_tag_moved_to_another_image_proves_nothing(checkout: Checkout) -> None:
    checkout.push({f"staging-{'a' * 64}": OTHER})
    assert checkout.run("staged", GOOD)[0] == 1


def test_a_registry_that_rewrites_the_image_is_noticed(checkout: Checkout) -> None:
    checkout.push({"rewritten": OTHER})
    code, _output, said = checkout.run("record", GOOD)
    assert code == 1
    assert "changed the image" in said


@pytest.mark.parametrize("arguments", [["find"], ["staged"], ["staged", GOOD], ["record", GOOD]])
def test_a_registry_out_of_reach_is_not_taken_for_an_empty_one(checkout: Checkout, arguments: list[str]) -> None:
    checkout.push({"broken": "ERROR: failed to do request: dial tcp: lookup registry.test: no such host"})
    code, output, said = checkout.run(*arguments)
    assert (code, output) == (1, "")
    assert "no such host" in said
    assert "Traceback" not in said


def test_a_missing_repository_variable_is_named(checkout: Checkout) -> None:
    code, _output, said = checkout.run("find", IMAGE="/hustlex/api")
    assert code == 1
    assert "repository variable REGISTRY" in said


@pytest.mark.parametrize("arguments", [[], ["record"], ["record", "v1"], ["find", "a", "b"], ["destroy"]])
def test_wrong_usage_is_told(checkout: Checkout, arguments: list[str]) -> None:
    code, output, said = checkout.run(*arguments)
    assert (code, output) == (1, "")
    assert "Usage" in said
