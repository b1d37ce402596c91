# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.hustlex.platform.plugins.module_utils.text import quantities

DOCUMENTATION = r"""
name: memory_quantity
short_description: Turn bytes into a memory quantity
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Writes a number of bytes as the shortest exact Kubernetes quantity.
positional: _input
options:
  _input:
    description: Number of bytes.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Turn bytes into a memory quantity
  ansible.builtin.debug:
    msg: "{{ 1610612736 | hustlex.platform.memory_quantity  # 1536Mi }}"
"""

RETURN = r"""
_value:
  description: The quantity.
  type: str
"""


def memory_quantity(count: int) -> str:
    try:
        return quantities.memory_quantity(count)
    except quantities.QuantityError as error:
        raise AnsibleFilterError(f"{error}.") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"memory_quantity": memory_quantity}
