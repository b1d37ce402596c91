# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables that look like a role's but are none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

SHARED = "hustlex_"
# Shared variables that playbooks read and no role does.
OF_PLAYBOOKS = (
    "hustlex_rendering",
    "hustlex_rollout_timeout_seconds",
    "hustlex_unschedulable_grace_seconds",
)


def unknown_variables(names: Iterable[str], known: Mapping[str, Iterable[str]], shared: Iterable[str]) -> list[str]:
    """Say of each variable that looks like one of ours but is none what is wrong.

    :arg names: names of all variables of a host
    :arg known: role name to the variables that its argument spec declares
    :arg shared: the variables C(hustlex_*) that roles and playbooks read
    :returns: one sentence for each unknown variable, sorted by name
    """
    variables = sorted(names)
    sentences = _unknown(variables, SHARED, shared, "a shared variable", "roles/namespace/README.md")
    for role, options in known.items():
        sentences += _unknown(variables, f"{role}_", options, f"a variable of role {role}", f"roles/{role}/README.md")
    return sorted(sentences)


def _unknown(names: Iterable[str], prefix: str, options: Iterable[str], what: str, page: str) -> list[str]:
    declared = sorted(option.removeprefix(prefix) for option in options if option.startswith(prefix))
    sentences = []
    for name in names:
        suffix = name.removeprefix(prefix)
        if not name.startswith(prefix) or suffix in declared:
            continue
        close = difflib.get_close_matches(suffix, declared, n=1)
        hint = f"; did you mean {prefix}{close[0]}?" if close else f"; see {page}."
        sentences.append(f"{name} is not {what}{hint}")
    return sentences
