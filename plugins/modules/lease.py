#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: lease
short_description: Lock an environment for one operation at a time
version_added: 0.3.0
author:
  - HustleX engineering (@hustlex)
description:
  - Takes a C(coordination.k8s.io) Lease for the run of C(ansible-playbook) that the task belongs to, or gives it back.
  - Whoever finds it held is told who holds it since when, and what for. A lease that was not renewed for its
    O(seconds) is taken over, and one whose holder ran on this machine and is no more, at once.
  - Give RV(lease) to the actions that wait for long; they renew it as they go.
options:
  name:
    description: Name of the Lease.
    type: str
    default: hustlex-operation
  state:
    description: Take it, or give it back. What is not ours is left alone.
    type: str
    choices: [held, released]
    default: held
  reason:
    description: What it is taken for, for those who find it held.
    type: str
    default: ""
  who:
    description: Who takes it; the user and host name by default.
    type: str
    default: ""
  seconds:
    description: How long it is held without being renewed, at least 15.
    type: int
    default: 60
attributes:
  check_mode:
    description: Takes nothing; warns when another run holds it.
    support: full
  diff_mode:
    description: What it changes is undone by the end of the run.
    support: none
  idempotent:
    description: The run that holds it takes it again.
    support: full
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - hustlex.platform.kubernetes
"""

EXAMPLES = r"""
- name: Lock the environment
  hustlex.platform.lease:
    reason: deploy v1.2.3
  register: lock

- name: Wait for the application
  hustlex.platform.rollout:
    sets: [app]
    lease: "{{ lock.lease }}"

- name: Unlock the environment
  hustlex.platform.lease:
    state: released
"""

RETURN = r"""
lease:
  description: What the actions that wait renew it by.
  returned: always
  type: dict
  contains:
    name:
      description: Name of the Lease.
      type: str
      sample: hustlex-operation
    holder:
      description: This run.
      type: str
      sample: ada@laptop (process 4711, 5f3a1c)
    seconds:
      description: How long it is held without being renewed.
      type: int
      sample: 60
taken_from:
  description: Who left it behind, when it was taken over.
  returned: always
  type: str
  sample: ada@laptop (process 4242, 77aa01)
"""
