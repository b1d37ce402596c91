# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.hustlex.platform.plugins.module_utils.text import quantities

DOCUMENTATION = r"""
name: memory_bytes
short_description: Turn a memory quantity into bytes
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Reads a Kubernetes memory or storage quantity, such as V(4Gi), V(512M) or V(1e9), as bytes, rounded up.
positional: _input
options:
  _input:
    description: The quantity.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Turn a memory quantity into bytes
  ansible.builtin.debug:
    msg: "{{ '4Gi' | hustlex.platform.memory_bytes  # 4294967296 }}"
"""

RETURN = r"""
_value:
  description: Number of bytes.
  type: int
"""


def memory_bytes(quantity: object) -> int:
    try:
        return quantities.memory_bytes(quantity)
    except quantities.QuantityError as error:
        raise AnsibleFilterError(f"{error}.") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"memory_bytes": memory_bytes}
