# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can go wrong on all ways to Prometheus, in sentences for the person at the terminal."""

from __future__ import annotations

# Longest wait for the answer to one query.
READ_SECONDS = 15


class SettingsError(Exception):
    """What was asked for cannot be used, before anything was asked of Prometheus."""


class UnavailableError(Exception):
    """Prometheus gave no answer that can be used; the next try may."""


class QueryRefusedError(Exception):
    """Prometheus does not understand the query, or its answer is no number; asking again does not help."""
