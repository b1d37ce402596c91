# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.hustlex.platform.plugins.module_utils.text import quantities

DOCUMENTATION = r"""
name: cpu_quantity
short_description: Turn cores into a CPU quantity
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Writes a number of cores as a Kubernetes quantity, rounded up to a thousandth.
positional: _input
options:
  _input:
    description: Number of cores.
    type: float
    required: true
"""

EXAMPLES = r"""
- name: Turn cores into a CPU quantity
  ansible.builtin.debug:
    msg: "{{ 0.5 | hustlex.platform.cpu_quantity  # 500m }}"
"""

RETURN = r"""
_value:
  description: The quantity.
  type: str
"""


def cpu_quantity(cores: object) -> str:
    try:
        return quantities.cpu_quantity(cores)
    except quantities.QuantityError as error:
        raise AnsibleFilterError(f"{error}.") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"cpu_quantity": cpu_quantity}
