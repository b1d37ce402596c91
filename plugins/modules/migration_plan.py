#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_plan
short_description: Decide whether and with which image a migration by hand may run
version_added: 0.3.0
author:
  - HustleX engineering (@hustlex)
description:
  - Takes the image of the Deployment that runs, so that its own migrations are meant, and gives the arguments of
    C(./api) for the Job.
  - Asks each running pod which schema it needs (C(database.needs_schema) of C(/api/v1/health), through the API server) and
    refuses to take migrations back that a pod needs. A pod that does not answer counts as one that needs them.
  - Runs nothing.
options:
  direction:
    description: C(up) applies what is pending, C(down) takes the newest back, C(status) shows both.
    type: str
    default: status
  steps:
    description: How many migrations C(down) takes back; a whole number.
    type: str
    default: "1"
  environment:
    description: Name of the environment.
    type: str
    required: true
  confirm:
    description: The name of the environment again. Needed for C(down), except in check mode.
    type: str
    default: ""
  force:
    description: Whether to take migrations back that running code needs; a warning says so then.
    type: bool
    default: false
  deployment:
    description: The Deployment whose first container has the image and whose pods are asked.
    type: str
    required: true
  port:
    description: TCP port on which its pods answer.
    type: int
    default: 8080
  image:
    description: Image to use whatever runs, as to take back what a version brought that is no longer running.
    type: str
    default: ""
  default_image:
    description: Image to use when the Deployment is not there.
    type: str
    default: ""
attributes:
  check_mode:
    description: Says the same, and asks for no confirmation.
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
notes:
  - C(down) needs the right to C(get) the resource C(pods/proxy).
seealso:
  - module: hustlex.platform.job
"""

EXAMPLES = r"""
- name: Decide whether the newest migration may be taken back
  hustlex.platform.migration_plan:
    direction: down
    environment: staging
    confirm: staging
    deployment: hustlex-api
  register: plan
"""

RETURN = r"""
args:
  description: Arguments of C(./api).
  returned: success
  type: list
  elements: str
  sample: [migrate, down, "1"]
image:
  description: The image whose migrations are meant.
  returned: success
  type: str
  sample: hustlex/api:v1.2.3
pods:
  description: What the running pods say; empty unless migrations are taken back.
  returned: success
  type: list
  elements: dict
  contains:
    pod:
      description: Name of the pod.
      type: str
      sample: hustlex-api-7d9-x2
    needs:
      description: The schema that its code needs; null when it does not say.
      type: int
      sample: 5
    schema:
      description: The schema that it finds in the database; null when it does not say.
      type: int
      sample: 6
    problem:
      description: Why it says nothing.
      type: str
      sample: ""
"""
