# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.hustlex.platform.plugins.module_utils.postgres import tuning
from ansible_collections.hustlex.platform.plugins.module_utils.text import quantities

DOCUMENTATION = r"""
name: postgres_tuning
short_description: PostgreSQL settings for a container's resources
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Computes the settings of C(postgresql.conf) that follow from memory, cores and volume.
  - Limits count where they are set, else requests.
notes:
  - The rules come from the PostgreSQL manual (19.4, 19.5, 19.7) and from PGTune; each stands beside its setting in
    C(plugins/module_utils/postgres/tuning.py).
positional: _input
options:
  _input:
    description: Resources of the container, as Kubernetes takes them, with C(cpu) and C(memory).
    type: dict
    required: true
  volume:
    description: Size of the data volume, as a Kubernetes quantity.
    type: str
    required: true
  connections:
    description: Number of connections; 0 lets the memory decide.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Show the settings of the guide's database
  ansible.builtin.debug:
    msg: "{{ {'limits': {'cpu': '2', 'memory': '8Gi'}} | hustlex.platform.postgres_tuning(volume='100Gi') }}"
"""

RETURN = r"""
_value:
  description: Values, as C(postgresql.conf) writes them, by the names of their settings.
  type: dict
"""


def postgres_tuning(resources: dict[str, dict[str, Any]], volume: object, connections: int = 0) -> dict[str, str]:
    amounts = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
    try:
        if missing := [name for name in ("memory", "cpu") if name not in amounts]:
            raise tuning.TuningError(f"resources without {' and '.join(missing)} leave nothing to tune for: set limits")
        machine = tuning.Machine(
            memory=quantities.memory_bytes(amounts["memory"]),
            cores=quantities.cpu_cores(amounts["cpu"]),
            volume=quantities.memory_bytes(volume),
            connections=connections,
        )
        return tuning.settings(machine)
    except (tuning.TuningError, quantities.QuantityError) as error:
        raise AnsibleFilterError(f"{error}.") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"postgres_tuning": postgres_tuning}
