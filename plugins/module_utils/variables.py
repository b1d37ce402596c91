# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables that look like a role's but are none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


def unknown_variables(names: Iterable[str], known: Mapping[str, Iterable[str]]) -> list[str]:
    """Say of each variable that begins with a role's name but is not in its argument spec what is wrong.

    :arg names: names of all variables of a host
    :arg known: role name to the variables that its argument spec declares
    :returns: one sentence for each unknown variable, sorted by name
    """
    sentences = []
    variables = sorted(names)
    for role, options in known.items():
        prefix = f"{role}_"
        declared = sorted(option.removeprefix(prefix) for option in options)
        for name in variables:
            suffix = name.removeprefix(prefix)
            if not name.startswith(prefix) or suffix in declared:
                continue
            close = difflib.get_close_matches(suffix, declared, n=1)
            hint = f"; did you mean {prefix}{close[0]}?" if close else f"; see roles/{role}/README.md."
            sentences.append(f"{name} is not a variable of role {role}{hint}")
    return sorted(sentences)
