#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: logs
short_description: Look for error lines in the logs of pods
version_added: 0.3.0
author:
  - HustleX engineering (@hustlex)
description:
  - Counts the lines of the pods' logs that O(pattern) finds, and tells for each pod how many there are and the first of
    them, with the values of Secrets hidden. Where Secrets may not be read, no line is shown.
  - Error lines are a warning; the task fails when they are more than O(max).
  - Reads the last 2000 lines of each log, no more than 1 MiB of them, and of a container that restarted the log of the run
    before, too. After 10 seconds it reads no further log. What was left out is said.
  - Logs that cannot be read, such as those that the login has no right to (C(get pods/log)), are a warning, never a failure.
options:
  replica_sets:
    description: Names of the ReplicaSets whose pods are meant, such as RV(hustlex.platform.rollout#module:replica_sets) has them.
    type: list
    elements: str
    required: true
  containers:
    description: Names of the containers; all of them, when empty. Others, such as those that a service mesh adds, are not read.
    type: list
    elements: str
    default: []
  since:
    description: Time of the oldest line that counts, RFC 3339.
    type: str
    default: ""
  pattern:
    description:
      - Regular expression of Python that finds a line with an error. Lines come without colours and without blanks at
        their ends.
      - What is no regular expression finds nothing, and is a warning.
    type: str
    required: true
  max:
    description: Largest number of error lines, in all logs together, that does not fail the task; V(-1) never fails it.
    type: int
    default: -1
  lease:
    description: RV(hustlex.platform.lease#module:lease) of the lock that this run holds; it is renewed on the way.
    type: dict
attributes:
  check_mode:
    description: Reads nothing.
    support: full
  diff_mode:
    description: Changes nothing.
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
- name: Look for errors in the logs of the new pods
  hustlex.platform.logs:
    replica_sets: [hustlex-api-6f74df7cc4]
    containers: [api]
    since: "2026-11-25T15:04:05+00:00"
    pattern: '"level": "error"'
    max: 10
"""

RETURN = r"""
errors:
  description: Number of error lines in all logs.
  returned: always
  type: int
  sample: 4
sentences:
  description: What is to be said of the logs.
  returned: always
  type: list
  elements: str
  sample:
    - 'hustlex-api-6f74df7cc4-x2x4z: 4 error lines, first: {"level": "error", "message": "request failed"}'
evidence:
  description: The first error lines of each pod, in the form of RV(hustlex.platform.rollout#module:evidence).
  returned: when there are more than O(max)
  type: list
  elements: dict
"""
