#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: scale
short_description: Set how many pods Deployments have, through their autoscaler where there is one
version_added: 0.3.0
author:
  - HustleX engineering (@hustlex)
description:
  - Writes C(spec.minReplicas) of the HorizontalPodAutoscaler that owns the number of pods of a Deployment, so that the
    autoscaler goes on deciding above it, and C(spec.replicas) of the Deployment where there is none. Says which.
  - Waits for the result, as M(hustlex.platform.rollout) does with O(hustlex.platform.rollout#module:state=ready). It does
    not wait for an autoscaler that may now take pods away, because that takes its time and the load decides.
  - Refuses, before anything is changed, a number that is not whole, is below 1, is below the inventory's without
    confirmation, is above the autoscaler's C(maxReplicas), or needs more than the ResourceQuotas of the namespace leave.
  - The change is not in the inventory. The next M(hustlex.platform.apply) sees it as drift and mends it; RV(notes) says
    what to write where to keep it.
options:
  deployments:
    description: The Deployments, each with what is wanted of it.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the Deployment.
        type: str
        required: true
      replicas:
        description: How many pods, a whole number. The Deployment is left as it is when this is empty.
        type: raw
      minimum:
        description: The inventory's number. To go below it needs O(confirm).
        type: int
        default: 1
      variable:
        description: The variable of the inventory that holds O(deployments[].minimum), for messages.
        type: str
        default: ""
      maximum_variable:
        description: The variable of the inventory that holds the autoscaler's upper bound, for messages.
        type: str
        default: ""
      option:
        description: How a person gives the number on the command line (C(-e option=N)), for messages.
        type: str
        default: ""
  environment:
    description: Name of the environment.
    type: str
    default: ""
  confirm:
    description: The name of the environment again, to go below the inventory's numbers.
    type: str
    default: ""
  file:
    description: File of the inventory that holds the variables, for messages.
    type: str
    default: ""
attributes:
  check_mode:
    description: Asks the API server whether it would take the change; neither waits nor changes anything.
    support: full
  diff_mode:
    description: Shows the changed objects before and after.
    support: full
  idempotent:
    description: A second run with the same numbers changes nothing.
    support: full
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - hustlex.platform.kubernetes
  - hustlex.platform.waiting
seealso:
  - module: hustlex.platform.rollout
"""

EXAMPLES = r"""
- name: Have five API pods at least
  hustlex.platform.scale:
    environment: production
    confirm: "{{ confirm | default('') }}"
    file: inventories/production/group_vars/all/app.yml
    deployments:
      - name: hustlex-api
        replicas: 5
        minimum: "{{ app_hpa_min_replicas }}"
        variable: app_hpa_min_replicas
        maximum_variable: app_hpa_max_replicas
"""

RETURN = r"""
scaled:
  description: What was written, or in check mode would be.
  returned: success
  type: list
  elements: dict
  contains:
    deployment:
      description: Name of the Deployment.
      type: str
      sample: hustlex-api
    kind:
      description: Kind of the object that says how many pods there are.
      type: str
      sample: HorizontalPodAutoscaler
    name:
      description: Name of that object.
      type: str
      sample: hustlex-api-hpa
    field:
      description: Its field, below C(spec).
      type: str
      sample: minReplicas
    before:
      description: The number that was there.
      type: int
      sample: 3
    after:
      description: The number that is there now.
      type: int
      sample: 5
notes:
  description: What the next deploy will do about it, and what to write where so that it does not.
  returned: success
  type: list
  elements: str
  sample:
    - "The next deploy brings hustlex-api back to 3: to keep 5, put app_hpa_min_replicas: 5 into
      inventories/production/group_vars/all/app.yml."
workloads:
  description: Each Deployment as it was last seen.
  returned: when the numbers were taken
  type: list
  elements: dict
  contains:
    kind:
      description: Always Deployment.
      type: str
      sample: Deployment
    name:
      description: Name of the Deployment.
      type: str
      sample: hustlex-api
    ready:
      description: Whether all of its pods are there and available.
      type: bool
      sample: true
    message:
      description: What it waits for, or the counts when it is ready.
      type: str
      sample: 5 of 5 available
seconds:
  description: How long the wait took.
  returned: when the numbers were taken
  type: float
  sample: 21.5
evidence:
  description: As that of M(hustlex.platform.rollout).
  returned: when pods do not become ready
  type: list
  elements: dict
"""
