#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: status
short_description: Show what runs in an environment
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Prints and returns one line for each workload of the sets, with its version, how many of its pods are ready,
    its address inside the cluster and its age, then the commands to type next.
options:
  sets:
    description: Names of sets, as given to M(hustlex.platform.apply). Every set of the namespace when empty.
    type: list
    elements: str
    default: []
  next:
    description: Commands to show below the table.
    type: list
    elements: str
    default: []
  health_url:
    description:
      - Address to ask for the health of the application. The answer is shown and returned, a failure too.
    type: str
    default: ''
  details:
    description: Show also pods, autoscalers, restarts, the last release and the health of the API.
    type: bool
    default: false
attributes:
  check_mode:
    description: Changes nothing. Without a cluster the table is empty.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - hustlex.platform.kubernetes
seealso:
  - module: hustlex.platform.rollout
"""

EXAMPLES = r"""
- name: Show the environment
  hustlex.platform.status:
    sets: [postgres, redis, pgbouncer, app]
    health_url: http://localhost:8080/api/v1/health
    next:
      - kubectl get pods -n hustlex
"""

RETURN = r"""
components:
  description: One entry for each workload.
  returned: always
  type: list
  elements: dict
  contains:
    component:
      description: Name of the workload.
      type: str
      sample: postgres
    kind:
      description: Kind of the workload.
      type: str
      sample: StatefulSet
    set:
      description: Set that it belongs to.
      type: str
      sample: postgres
    version:
      description: Tag or digest of the image of its first container.
      type: str
      sample: "17"
    ready:
      description: Pods that are ready, of those that are wanted.
      type: str
      sample: 1/1
    address:
      description: Service and port that lead to it; empty when nothing does.
      type: str
      sample: postgres:5432
    age:
      description: Time since it was made.
      type: str
      sample: 3d
table:
  description: The lines that were printed.
  returned: always
  type: list
  elements: str
health:
  description: Answer to O(health_url).
  returned: when O(health_url) is given
  type: dict
  contains:
    status:
      description: HTTP status, 0 without an answer.
      type: int
      sample: 200
    answer:
      description: The answer, as data where it is JSON.
      type: raw
"""
