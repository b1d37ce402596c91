#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: env_file
short_description: Make sure that the file with an environment's secrets is there and can be used
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Makes a C(.env) file with strong random values once, when it is missing and O(generate) is true. The file appears
    complete, with mode 0600, and an existing file is never changed.
  - Without O(generate) a missing file is an error that says what to write.
  - Warns when an unencrypted file can be read by other users. A file encrypted by ansible-vault is opened with the
    passwords that the run was given.
  - Refuses values that the P(hustlex.platform.checked_secrets#filter) filter refuses, by their names.
  - Runs on the controller.
options:
  path:
    description: The file. A relative path starts at the playbook.
    type: path
    required: true
  keys:
    description:
      - Names in the file, each with the number of random bytes that its value is made from (at least 20), written in
        hexadecimal. C(PAYSTACK_SECRET_KEY) gets the form of a test key.
    type: dict
    required: true
  environment:
    description: Environment that the secrets are for; V(production) refuses test keys of Paystack.
    type: str
    default: production
  generate:
    description: Make the file when it is missing. For development; other environments bring their own secrets.
    type: bool
    default: false
attributes:
  check_mode:
    description: Says what it would write and writes nothing.
    support: full
  diff_mode:
    description: Shows the names, never the values.
    support: full
"""

EXAMPLES = r"""
- name: Make sure that the secrets file is there
  hustlex.platform.env_file:
    path: "{{ inventory_dir }}/.env"
    generate: true
    keys: {JWT_SECRET: 48, DB_PASSWORD: 24}
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /srv/hustlex/inventories/development/.env
encrypted:
  description: Whether ansible-vault encrypted the file.
  returned: success
  type: bool
"""
