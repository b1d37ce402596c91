"""Options of a task as plain data, whatever YAML made of them."""

from typing import Any

import yaml
from ansible_collections.hustlex.platform.plugins.plugin_utils.options import validated


class Action:
    """A task whose arguments are right."""

    def __init__(self, text: str) -> None:
        self.arguments = yaml.safe_load(text)

    def validate_argument_spec(self, _spec: dict[str, Any]) -> tuple[None, dict[str, Any]]:
        return None, self.arguments


def test_times_without_quotes_arrive_as_they_were_written() -> None:
    action = Action("windows: [{from: 2026-12-24T00:00:00+01:00, to: 2026-12-27 08:30:00Z, day: 2026-12-24}]")
    assert validated(action, {}) == {
        "windows": [{"from": "2026-12-24T00:00:00+01:00", "to": "2026-12-27T08:30:00+00:00", "day": "2026-12-24"}]
    }
