# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can go wrong, as sentences for people."""

from __future__ import annotations


class BackupError(Exception):
    """str() is one sentence that says what happened, to what, and what to do."""


class RefusedError(BackupError):
    """What was asked for would lose data or cannot be proved to work; nothing was changed."""


class StoreError(BackupError):
    """The object store did not do what was asked."""


class MissingError(StoreError):
    """The object is not there: proved by an answer of the store, never guessed from a failure."""


class LockedError(BackupError):
    """Another run holds the lock, or this run lost it."""
