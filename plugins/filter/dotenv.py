# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.hustlex.platform.plugins.module_utils.text.dotenv import DotenvError, parse

DOCUMENTATION = r"""
name: dotenv
short_description: Read the text of a .env file
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Turns C(NAME=value) lines into a dictionary. Knows C(export), comments, single and double quotes, values over
    several lines, Windows line ends and a byte order mark. Expands nothing.
  - A line that is no assignment, an open quote and a name given twice are errors that name the line and never
    its content.
positional: _input
options:
  _input:
    description: Text of the file.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Read the secrets
  ansible.builtin.set_fact:
    app_secrets: "{{ lookup('ansible.builtin.file', '.env') | hustlex.platform.dotenv }}"
"""

RETURN = r"""
_value:
  description: Names and values in the order of the file; every value is a string.
  type: dict
"""


def dotenv(text: object) -> dict[str, str]:
    if not isinstance(text, str):
        raise AnsibleFilterError(f"dotenv reads text, not {type(text).__name__}.")
    try:
        return parse(text)
    except DotenvError as error:
        raise AnsibleFilterError(f"The .env text cannot be read: {error}.") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"dotenv": dotenv}
