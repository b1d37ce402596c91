"""The configuration history, with the real git and repositories in folders."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils import git_history
from ansible_collections.hustlex.platform.plugins.module_utils.git_history import (
    HistoryError,
    Repository,
    UnreachableRepositoryError,
    record,
)

SECRET = "kind: Secret\nmetadata: {name: s}\nstringData:\n  K: '%s'\n"


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """git without the settings of whoever runs the tests, and as if called by a hook of another repository."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    for name in ("clone", "init", "log", "show"):
        monkeypatch.delenv(f"GIT_{name.upper()}", raising=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "rendered"
    (folder / "redis").mkdir(parents=True)
    (folder / "redis" / "service.yaml").write_text("kind: Service\n")
    (folder / "redis" / "secret.yaml").write_text(SECRET % "***")
    return folder


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GIT_DIR")
    path = tmp_path / "bare.git"
    subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True)
    return path


def test_a_change_is_a_commit_and_no_change_is_none(bare: Path, source: Path) -> None:
    repository = Repository(str(bare), "main", "Ada", "ada@example.com")
    first = record(repository, source, "development")
    assert first.changed
    assert git(bare, "rev-parse", "main") == first.commit
    assert git(bare, "show", "main:development/redis/service.yaml") == "kind: Service"
    assert git(bare, "log", "-1", "--format=%an <%ae>: %s", "main") == (
        "Ada <ada@example.com>: development: 2 manifests changed"
    )
    assert record(repository, source, "development") == git_history.Recorded()
    assert git(bare, "rev-list", "--count", "main") == "1"


def test_what_left_the_folder_is_removed_and_other_folders_stay(bare: Path, source: Path) -> None:
    repository = Repository(str(bare))
    record(repository, source, "production")
    record(repository, source, "development")
    (source / "redis" / "service.yaml").unlink()
    done = record(repository, source, "development")
    assert git(bare, "log", "-1", "--format=%b", "main") == "redis/service.yaml: removed"
    assert "-kind: Service" in done.diff
    assert git(bare, "ls-tree", "-r", "--name-only", "main").splitlines() == [
        "development/redis/secret.yaml",
        "production/redis/secret.yaml",
        "production/redis/service.yaml",
    ]


def test_a_dry_run_shows_and_leaves_everything(bare: Path, source: Path, tmp_path: Path) -> None:
    done = record(Repository(str(bare)), source, "development", dry_run=True)
    assert done.commit == ""
    assert any("redis/service.yaml" in line for line in done.stat)
    assert git(bare, "for-each-ref") == ""
    absent = tmp_path / "absent"
    assert record(Repository(str(absent)), source, "development", dry_run=True).changed
    assert not absent.exists()


def test_a_path_that_is_absent_becomes_a_repository_whose_files_follow(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "history"
    repository = Repository(str(path), "record")
    record(repository, source, "development")
    assert (path / "development" / "redis" / "service.yaml").read_text() == "kind: Service\n"
    (source / "redis" / "service.yaml").write_text("kind: Service\nspec: {}\n")
    record(repository, source, "development")
    assert (path / "development" / "redis" / "service.yaml").read_text() == "kind: Service\nspec: {}\n"


def test_files_that_somebody_edits_are_left_alone(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "history"
    record(Repository(str(path)), source, "development")
    (path / "development" / "redis" / "service.yaml").write_text("edited\n")
    (source / "redis" / "service.yaml").write_text("kind: Service\nspec: {}\n")
    with pytest.raises(HistoryError, match=r"checked out with changes that are not committed"):
        record(Repository(str(path)), source, "development")
    assert (path / "development" / "redis" / "service.yaml").read_text() == "edited\n"


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_a_secret_that_is_not_masked_is_refused(bare: Path, source: Path, field: str) -> None:
    (source / "redis" / "secret.yaml").write_text((SECRET % "hunter2").replace("stringData", field))
    with pytest.raises(HistoryError, match=r"redis/secret.yaml holds a secret that is not masked") as caught:
        record(Repository(str(bare)), source, "development")
    assert "hunter2" not in str(caught.value)
    assert git(bare, "for-each-ref") == ""


@pytest.mark.parametrize(
    "address",
    ["https://user:password@127.0.0.1:1/x.git", "ssh://user@127.0.0.1:1/x.git", "file:///does/not/exist"],
)
def test_a_repository_that_does_not_answer(source: Path, address: str) -> None:
    with pytest.raises(UnreachableRepositoryError, match="cannot be read") as caught:
        record(Repository(address), source, "development")
    assert "password" not in str(caught.value)


def test_a_push_of_somebody_else_in_between(bare: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(str(bare))
    record(repository, source, "development")
    push, others = git_history._push, [1]

    def push_late(to: Repository, clone: Path) -> None:
        if others:
            others.pop()
            (source / "redis" / "other.yaml").write_text("kind: ConfigMap\n")
            record(to, source, "production")
        push(to, clone)

    monkeypatch.setattr(git_history, "_push", push_late)
    (source / "redis" / "service.yaml").write_text("kind: Service\nspec: {}\n")
    record(repository, source, "development")
    assert git(bare, "rev-list", "--count", "main") == "3"


def test_without_git(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HistoryError, match="git is not on this machine"):
        record(Repository("/tmp/x"), source, "development")
