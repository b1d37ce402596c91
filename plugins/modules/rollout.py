#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout
short_description: Wait until all workloads of some sets are rolled out
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Waits for every Deployment, StatefulSet, DaemonSet and Job of the sets at once, with the meaning of
    C(kubectl rollout status), and for Jobs until they complete.
  - Shows which workloads are ready and what the others wait for, whenever that changes and at least each
    O(interval) seconds.
  - Fails as soon as it is known that waiting will not help, such as an image that does not exist, a container
    that crashes again and again, a pod that no node takes, a claim that cannot be bound, pods that an admission
    rule refuses or a Job that failed. The message has the reason in one sentence, RV(evidence) the conditions,
    events and last log lines behind it.
  - An API server that is briefly away does not end the wait.
options:
  sets:
    description: Names of sets, as given to M(hustlex.platform.apply).
    type: list
    elements: str
    required: true
  without:
    description: Workloads of the sets that are not waited for, each as C(Kind/name).
    type: list
    elements: str
    default: []
  state:
    description: What to wait for. V(ready) means that every replica is of the current revision and available.
    type: str
    choices: [ready]
    default: ready
  timeout:
    description: Longest wait, in seconds.
    type: int
    default: 600
  unschedulable_grace:
    description: How long a pod may find no node or no volume before that counts as a failure, in seconds.
    type: int
    default: 15
  interval:
    description: Longest time without a line of progress, in seconds.
    type: int
    default: 10
  log_lines:
    description: How many of the last log lines of each failing container are kept as evidence.
    type: int
    default: 20
  lease:
    description: RV(hustlex.platform.lease#module:lease) of the lock that this run holds; it is renewed during the wait.
    type: dict
attributes:
  check_mode:
    description: Reports what is ready now; neither waits nor fails.
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
  - module: hustlex.platform.apply
  - module: hustlex.platform.status
"""

EXAMPLES = r"""
- name: Wait for the data layer
  hustlex.platform.rollout:
    sets: [postgres, redis, pgbouncer]
    timeout: 300
"""

RETURN = r"""
workloads:
  description: Each workload of the sets as it was last seen.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the workload.
      type: str
      sample: StatefulSet
    name:
      description: Name of the workload.
      type: str
      sample: postgres
    ready:
      description: Whether it is rolled out.
      type: bool
      sample: true
    message:
      description: What it waits for, or the counts when it is ready.
      type: str
      sample: 1 of 1 ready
seconds:
  description: How long the wait took.
  returned: always
  type: float
  sample: 12.4
evidence:
  description: What is known about the workload that failed or is not ready in time, with values of Secrets hidden.
  returned: on failure
  type: list
  elements: dict
  contains:
    workload:
      description: Kind and name.
      type: str
      sample: Deployment hustlex-api
    reason:
      description: What is wrong, in one sentence.
      type: str
      sample: Pod hustlex-api-7d9-x2 cannot pull the image hustlex/api:v9; not found.
    command:
      description: The command that shows more.
      type: str
      sample: kubectl describe pod hustlex-api-7d9-x2 -n hustlex
    conditions:
      description: Conditions of the workload that are not as they should be.
      type: list
      elements: str
    events:
      description: The latest warnings about the workload and its pods, oldest first.
      type: list
      elements: str
    logs:
      description: Last log lines by pod and container.
      type: dict
"""
