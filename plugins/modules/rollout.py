#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout
short_description: Wait until workloads are rolled out, restart them or undo their last change
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Waits for every Deployment, StatefulSet, DaemonSet and Job of the sets, or those that are named, at once, with the
    meaning of C(kubectl rollout status), and for Jobs until they complete.
  - Restarts them or brings an earlier revision back before that, with the meaning of C(kubectl rollout restart) and
    C(kubectl rollout undo).
  - Shows which workloads are ready and what the others wait for, whenever that changes and at least each
    O(interval) seconds.
  - Fails as soon as it is known that waiting will not help, such as an image that does not exist, a container
    that crashes again and again, a pod that no node takes, a claim that cannot be bound, pods that an admission
    rule refuses or a Job that failed. The message has the reason in one sentence, RV(evidence) the conditions,
    events and last log lines behind it.
  - An API server that is briefly away does not end the wait.
options:
  sets:
    description: Names of sets, as given to M(hustlex.platform.apply). Either this or O(workloads).
    type: list
    elements: str
  without:
    description: Workloads of the sets that are left out, each as C(Kind/name).
    type: list
    elements: str
    default: []
  workloads:
    description: The workloads themselves, each as C(Kind/name). One that is not there is an error. Either this or O(sets).
    type: list
    elements: str
  state:
    description:
      - V(ready) waits until every replica is of the current revision and available.
      - V(restarted) first makes Kubernetes replace all pods, by the annotation
        C(kubectl.kubernetes.io/restartedAt) of the pod template.
      - V(undone) first brings the pod template of an earlier revision back, whole, and the annotations that a Deployment
        had then. The number of pods is left as it is. Deployments keep their revisions in ReplicaSets, the others in
        ControllerRevisions.
      - V(examined) neither waits nor changes anything. It gives what is to be seen of each workload as RV(evidence), with
        the logs of all containers, whether it is ready or not.
      - A paused Deployment is neither restarted nor undone. Jobs of the sets are only waited for.
      - Without an earlier revision V(undone) fails, and then no workload is changed.
    type: str
    choices: [ready, restarted, undone, examined]
    default: ready
  to_revision:
    description:
      - The revision that V(undone) brings back, as C(kubectl rollout history) counts them; 0 is the newest one that is
        not the present one. A number needs exactly one of O(workloads).
      - Kubernetes gives a revision that is brought back a new number. Its old number goes on naming it for Deployments,
        so that the same task changes nothing when it is run again.
    type: int
    default: 0
attributes:
  check_mode:
    description: Reports what would be changed, as the API server says, and what is ready now; neither waits nor fails
      because something is not ready.
    support: full
  diff_mode:
    description: Shows what is restarted or undone before and after.
    support: full
  idempotent:
    description: V(ready) changes nothing. V(restarted) restarts each time, and V(undone) without O(to_revision) goes back
      and forth.
    support: partial
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - hustlex.platform.kubernetes
  - hustlex.platform.waiting
seealso:
  - module: hustlex.platform.apply
  - module: hustlex.platform.status
"""

EXAMPLES = r"""
- name: Wait for the data layer
  hustlex.platform.rollout:
    sets: [postgres, redis, pgbouncer]
    timeout: 300

- name: Restart the workers
  hustlex.platform.rollout:
    workloads: [Deployment/hustlex-worker]
    state: restarted

- name: Take the last change of PgBouncer back
  hustlex.platform.rollout:
    workloads: [Deployment/pgbouncer]
    state: undone
"""

RETURN = r"""
workloads:
  description: Each workload as it was last seen.
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
changes:
  description: What was done to each workload, or in check mode would be.
  returned: with O(state=restarted) and O(state=undone)
  type: list
  elements: str
  sample: [Deployment pgbouncer goes back to revision 3]
replica_sets:
  description: Of each Deployment the ReplicaSet that its pods are of, whose name theirs begin with.
  returned: when all is rolled out
  type: dict
  sample: {hustlex-api: hustlex-api-6f74df7cc4}
evidence:
  description: What is known about the workload that failed or is not ready in time, with values of Secrets hidden.
  returned: on failure, and with O(state=examined)
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
    containers:
      description: State of each container of its first pods.
      type: list
      elements: str
      sample: [hustlex-api-7d9-x2/api: CrashLoopBackOff, 3 restarts, last exit code 1 (Error)]
    events:
      description: The latest warnings about the workload and its pods, oldest first.
      type: list
      elements: str
    logs:
      description: Last log lines by pod and container.
      type: dict
"""
