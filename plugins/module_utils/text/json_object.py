# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The JSON of an answer that need not be any."""

from __future__ import annotations

import json
from typing import Any


def decoded(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is; empty for what is none, such as the page of a gateway."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
