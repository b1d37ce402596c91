# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A dump on its way from the store into pg_restore: counted and hashed, and never on a disk."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from backup.errors import BackupError

from .databases import first_error

PROGRESS_SECONDS = 5.0
LIST_SECONDS = 60
# After the last byte pg_restore builds the indexes.
END_SECONDS = 24 * 3600


class Checked:
    """Passes chunks on, and knows at their end whether they are what the manifest says."""

    def __init__(self, chunks: Iterable[bytes], size: int, sha256: str, say: Callable[[str], None]) -> None:
        self._chunks, self._say = iter(chunks), say
        self._size, self._sha256 = size, sha256
        self._digest, self._read = hashlib.sha256(), 0
        self._said = time.monotonic()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._digest.update(chunk)
            self._read += len(chunk)
            if time.monotonic() - self._said >= PROGRESS_SECONDS:
                self._said = time.monotonic()
                self._say(f"{self._read >> 20} of {self._size >> 20} MiB, {100 * self._read // max(1, self._size)} %")
            yield chunk

    def fault(self) -> str:
        """What is wrong with the object, after all of it was read; empty when nothing is."""
        for _chunk in self:
            pass
        if self._read < self._size:
            return f"it is cut off: {self._read} of {self._size} bytes"
        if self._digest.hexdigest() != self._sha256:
            return "its content is damaged: another SHA-256 than its manifest says"
        return ""


def contents(chunks: Iterable[bytes], environment: Mapping[str, str]) -> tuple[list[str], str]:
    """Lines of `pg_restore --list`, or why there are none; reads no more of the dump than that needs."""
    out, fault = _run(["pg_restore", "--list"], chunks, environment, LIST_SECONDS)
    return out.decode(errors="replace").splitlines(), fault


def pg_restore(command: Sequence[str], chunks: Iterable[bytes], environment: Mapping[str, str]) -> str:
    """Feed a restore to its end; why it failed, or nothing."""
    return _run(command, chunks, environment, END_SECONDS)[1]


def _run(
    command: Sequence[str], chunks: Iterable[bytes], environment: Mapping[str, str], seconds: float
) -> tuple[bytes, str]:
    pipe = subprocess.PIPE
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(list(command), env=dict(environment), stdin=pipe, stdout=pipe, stderr=errors)
        try:
            _feed(process, chunks)
            out, _none = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise BackupError(f"{command[0]} did not end within {seconds:.0f} s after the last byte.") from None
        finally:
            process.kill()
        errors.seek(0)
        return out, first_error(errors.read().decode(errors="replace")) if process.returncode else ""


def _feed(process: subprocess.Popen[bytes], chunks: Iterable[bytes]) -> None:
    """Until there is no more, or the program wants no more."""
    assert process.stdin
    try:
        for chunk in chunks:
            process.stdin.write(chunk)
            process.stdin.flush()
    except BrokenPipeError:
        pass
