# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.hustlex.platform.plugins.module_utils.text import secret_rules

DOCUMENTATION = r"""
name: checked_secrets
short_description: Refuse secrets that are missing, placeholders or weak
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Returns its input when every required key holds a usable value. Otherwise fails with one sentence that names
    every key and what is wrong with it, and shows no value.
  - Refused are missing and empty values, placeholders such as C(your-secret), C(changeme), C(sk_live_xxx) and
    C(<token>), control characters, surrounding blanks, values shorter than 15 bytes (NIST
    SP 800-63B-4) and guessable ones.
  - C(JWT_SECRET) needs 32 bytes (RFC 7518, 3.2). C(PAYSTACK_SECRET_KEY) is C(sk_live_...) or, outside production,
    C(sk_test_...).
positional: _input, required, environment
options:
  _input:
    description: Names and values.
    type: dict
    required: true
  required:
    description: Keys that must be there; others are not looked at.
    type: list
    elements: str
    required: true
  environment:
    description: Environment that the secrets are for; V(production) refuses test keys of Paystack.
    type: str
    default: production
  allow_weak:
    description: Let short and guessable values pass.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Check the secrets of staging
  ansible.builtin.set_fact:
    app_secrets: "{{ found | hustlex.platform.checked_secrets(['JWT_SECRET', 'DB_PASSWORD'], 'staging') }}"
"""

RETURN = r"""
_value:
  description: The input, unchanged.
  type: dict
"""


def checked_secrets(
    values: object, required: Iterable[str], environment: str = "production", allow_weak: bool = False
) -> Mapping[str, object]:
    if not isinstance(values, Mapping):
        raise AnsibleFilterError(f"checked_secrets takes a dictionary, not {type(values).__name__}.")
    try:
        secret_rules.check(values, required, environment, allow_weak)
    except secret_rules.SecretsError as error:
        raise AnsibleFilterError(str(error)) from None
    return values


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"checked_secrets": checked_secrets}
