# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.hustlex.platform.plugins.module_utils.text import quantities

DOCUMENTATION = r"""
name: cpu_cores
short_description: Turn a CPU quantity into cores
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Reads a Kubernetes CPU quantity, such as V(500m) or V(2), as cores, rounded up to a thousandth.
positional: _input
options:
  _input:
    description: The quantity.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Turn a CPU quantity into cores
  ansible.builtin.debug:
    msg: "{{ '500m' | hustlex.platform.cpu_cores  # 0.5 }}"
"""

RETURN = r"""
_value:
  description: Number of cores.
  type: float
"""


def cpu_cores(quantity: object) -> float:
    try:
        return quantities.cpu_cores(quantity)
    except quantities.QuantityError as error:
        raise AnsibleFilterError(f"{error}.") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"cpu_cores": cpu_cores}
