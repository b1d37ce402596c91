# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making and looking after the C(.env) file of an environment, without ever reading a value out of it."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .text import dotenv, secret_rules

_VAULT = b"$ANSIBLE_VAULT;"


class EnvFileError(Exception):
    """The file cannot serve; the message says why and what to do."""


@dataclass(frozen=True)
class EnvFile:
    """What is known about an existing file."""

    encrypted: bool
    readable_by_others: bool


def inspect(path: Path) -> EnvFile | None:
    """What is at C(path), None where there is nothing.

    Raises EnvFileError for what is no readable file with content.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        if path.is_symlink():
            raise EnvFileError(f"{path} is a link to a file that does not exist.") from error
        return None
    except OSError as error:
        raise EnvFileError(f"{path} cannot be reached: {error.strerror}.") from error
    if not stat.S_ISREG(status.st_mode):
        raise EnvFileError(f"{path} is not a file.")
    try:
        with path.open("rb") as file:
            start = file.read(len(_VAULT))
    except OSError as error:
        raise EnvFileError(f"{path} cannot be read: {error.strerror}.") from error
    if not start:
        raise EnvFileError(f"{path} is empty. Write NAME=value lines to it, or remove it.")
    encrypted = start == _VAULT
    return EnvFile(encrypted=encrypted, readable_by_others=not encrypted and bool(status.st_mode & 0o077))


def generated_text(keys: Mapping[str, int]) -> str:
    """The text of a new file: a random value from so many bytes for each key."""
    return dotenv.dump({key: secret_rules.generate(key, size) for key, size in keys.items()})


def create(path: Path, text: str) -> bool:
    """Write a new file with mode 0600 in one step; False when another run made it meanwhile."""
    try:
        # mkstemp creates with O_EXCL and mode 0600, so the content is never readable by others.
        handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    except OSError as error:
        raise EnvFileError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link never replaces a file that appeared meanwhile.
        os.link(name, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise EnvFileError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
    return True
