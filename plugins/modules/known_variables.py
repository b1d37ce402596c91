#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: known_variables
short_description: Refuse variables that look like a role's but are none
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Compares every variable of the host that begins with the name of a role of this collection with the role's argument
    spec, and every variable C(hustlex_*) with those that the roles and playbooks share, so that a misspelt variable
    stops the run instead of being ignored.
options:
  roles:
    description: Roles of this collection whose variables are checked.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    description: Changes nothing, in check mode or not.
    support: full
  diff_mode:
    description: Has nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Refuse variables that no role knows
  hustlex.platform.known_variables:
    roles: [postgres, redis]
"""

RETURN = r"""
msg:
  description: One sentence for each unknown variable, with the name that was probably meant.
  returned: when a variable is unknown
  type: str
  sample: postgres_replica is not a variable of role postgres; did you mean postgres_replicas?
"""
