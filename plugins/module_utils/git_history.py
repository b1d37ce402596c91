# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps a folder of manifests in a branch of a Git repository: one commit for each change, none without one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .kube.mask import MASK

GIT_SECONDS = 60
# Somebody else may push between our fetch and our push.
TRIES = 3
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
# The variables of a surrounding `git` command or hook would lead ours elsewhere.
_LEFT_OUT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_COMMON_DIR")


class HistoryError(Exception):
    """One sentence for people."""


class UnreachableRepositoryError(HistoryError):
    """The repository does not answer: nothing is wrong with what is to be recorded."""


class _BehindError(HistoryError):
    """The branch has moved on since it was read."""


@dataclass(frozen=True)
class Repository:
    """A local path or any URL that git knows; a local path that does not exist is made."""

    address: str
    branch: str = "main"
    author_name: str = "HustleX"
    author_email: str = "hustlex@localhost"

    @property
    def shown(self) -> str:
        """The address without the user and password that a URL may have."""
        return _USER_IN_URL.sub("", self.address)

    @property
    def path(self) -> Path | None:
        """The local path; None for a URL or `host:path`."""
        if "://" in self.address or re.match(r"[^/]+:", self.address):
            return None
        return Path(self.address).expanduser().absolute()


@dataclass(frozen=True)
class Recorded:
    """What changed; `commit` is empty when nothing did, or in a dry run."""

    commit: str = ""
    stat: list[str] = field(default_factory=list)
    diff: str = ""

    @property
    def changed(self) -> bool:
        return bool(self.stat)


def record(repository: Repository, source: Path, folder: str, dry_run: bool = False) -> Recorded:
    """Bring `folder` of the branch to hold exactly the files of `source`, and push.

    Raises HistoryError, before anything is written, when a Secret in `source` is not masked.
    """
    refuse_secrets(source)
    for attempt in range(TRIES):
        with tempfile.TemporaryDirectory(prefix="hustlex-") as name:
            try:
                return _record_once(repository, source, folder, Path(name), dry_run)
            except _BehindError:
                if attempt == TRIES - 1:
                    raise
    raise AssertionError("the last try returns or raises")


def refuse_secrets(source: Path) -> None:
    """Raises HistoryError for a Secret with a value that is not the mask."""
    for path in sorted(source.rglob("*.yaml")):
        for manifest in yaml.load_all(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
            if isinstance(manifest, Mapping) and manifest.get("kind") == "Secret" and not _is_masked(manifest):
                raise HistoryError(
                    f"{path.relative_to(source)} holds a secret that is not masked: nothing is recorded."
                    " Render it with render_dir of module apply."
                )


def _is_masked(secret: Mapping[str, Any]) -> bool:
    values = [value for name in ("data", "stringData") for value in (secret.get(name) or {}).values()]
    return all(value == MASK for value in values)


def _record_once(repository: Repository, source: Path, folder: str, work: Path, dry_run: bool) -> Recorded:
    clone = work / "clone"
    _checkout(repository, clone, dry_run)
    target = clone / folder
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    _git(clone, "add", "--all", "--force", "--", folder)
    stat = _git(clone, "diff", "--cached", "--stat=100").rstrip().splitlines()
    if not stat:
        return Recorded()
    diff = _git(clone, "diff", "--cached", "--no-color")
    if dry_run:
        return Recorded("", stat, diff)
    identity = ("-c", f"user.name={repository.author_name}", "-c", f"user.email={repository.author_email}")
    options = (*identity, "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null")
    _git(clone, *options, "commit", "--quiet", "--message", _message(clone, folder))
    _push(repository, clone)
    return Recorded(_git(clone, "rev-parse", "HEAD").strip(), stat, diff)


def _message(clone: Path, folder: str) -> str:
    """`production: 2 manifests changed`, and which."""
    lines = [line for line in _git(clone, "diff", "--cached", "--name-status", "--no-renames").splitlines() if line]
    verbs = {"A": "added", "D": "removed"}
    entries = [line.partition("\t") for line in lines]
    body = [f"{path.removeprefix(f'{folder}/')}: {verbs.get(status, 'changed')}" for status, _tab, path in entries]
    count = f"{len(body)} manifest{'s' if len(body) != 1 else ''} changed"
    return "\n".join([f"{folder}: {count}", "", *body])


def _checkout(repository: Repository, clone: Path, dry_run: bool) -> None:
    """A clone on the branch, which may not exist yet."""
    path = repository.path
    clone.mkdir(parents=True)
    _git(clone, "init", "--quiet", "--initial-branch", repository.branch)
    if path is not None and not path.exists():
        if dry_run:
            return
        path.mkdir(parents=True)
        _git(path, "init", "--quiet", "--initial-branch", repository.branch)
    _git(clone, "remote", "add", "origin", str(path or repository.address))
    heads = _reach(repository, clone, "ls-remote", "--heads", "origin", f"refs/heads/{repository.branch}")
    if heads.strip():
        _reach(repository, clone, "fetch", "--quiet", "--depth", "1", "origin", f"refs/heads/{repository.branch}")
        _git(clone, "-c", "core.autocrlf=false", "checkout", "--quiet", "-B", repository.branch, "FETCH_HEAD")


def _push(repository: Repository, clone: Path) -> None:
    # A local repository that is not bare may have the branch checked out: its files follow, if nobody edits them.
    options: tuple[str, ...] = ()
    if repository.path is not None:
        options = ("--receive-pack", "git -c receive.denyCurrentBranch=updateInstead receive-pack")
    done = _run(clone, ("push", "--quiet", *options, "origin", f"HEAD:refs/heads/{repository.branch}"))
    if done.returncode == 0:
        return
    words = _words(done.stderr)
    if any(mark in done.stderr for mark in ("fetch first", "non-fast-forward", "cannot lock ref")):
        raise _BehindError(
            f"Others push to branch {repository.branch} of {repository.shown} all the time: run again later."
        )
    if "unstaged changes" in done.stderr or "uncommitted" in done.stderr or "Working directory" in done.stderr:
        raise HistoryError(
            f"{repository.shown} has branch {repository.branch} checked out with changes that are not committed:"
            " commit or discard them, or name a bare repository."
        )
    raise UnreachableRepositoryError(f"{repository.shown} does not take the commit ({words}): may you push to it?")


def _reach(repository: Repository, folder: Path, *arguments: str) -> str:
    done = _run(folder, arguments)
    if done.returncode != 0:
        raise UnreachableRepositoryError(
            f"The repository {repository.shown} of the configuration history cannot be read ({_words(done.stderr)}):"
            " is it there, and may you read it?"
        )
    return done.stdout


def _git(folder: Path, *arguments: str) -> str:
    done = _run(folder, arguments)
    if done.returncode != 0:
        name = next((each for each in arguments if not each.startswith("-")), "")
        raise HistoryError(f"git {name} failed: {_words(done.stderr)}.")
    return done.stdout


def _run(folder: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    environment |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    environment.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=10")
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise HistoryError("The program git is not on this machine: install it.") from error
    except subprocess.TimeoutExpired as error:
        raise UnreachableRepositoryError(
            f"git did not answer within {GIT_SECONDS} s: is the repository reachable?"
        ) from error


def _words(text: str) -> str:
    """The line of git's complaint that tells most, without a password."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = next(
        (line for line in lines if line.startswith(("fatal:", "error:", "ERROR:"))), lines[0] if lines else ""
    )
    return _USER_IN_URL.sub("", telling.partition(": ")[2] or telling).rstrip(".") or "no reason given"
