#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: job
short_description: Run one Job to its end and take its result
version_added: 0.2.0
author:
  - HustleX engineering (@hustlex)
description:
  - Starts a Job from a manifest or from the template of a CronJob, shows what it writes while it runs, waits for
    its end and removes it after success.
  - The last line C(RESULT {json}) of its log is its result.
  - A Job that fails is kept as evidence for three days; the message has its last words, RV(evidence) the conditions,
    events and log lines. Values of Secrets are hidden in everything that is shown.
  - The Job runs once. When the controller is killed, the Job goes on; the next run of the same task finds it and
    waits for it. A Job of the same name that runs with other settings is left alone, and the task fails.
options:
  name:
    description: Name of the Job. What may run only once at a time has one name.
    type: str
    required: true
  manifest:
    description: A Job as a manifest. Its metadata may be left out.
    type: dict
  cron_job:
    description: Name of a CronJob whose template is used.
    type: str
  container:
    description: Container that the other options change and whose log is read; the first one by default.
    type: str
    default: ""
  command:
    description: Replaces the container's command.
    type: list
    elements: str
    default: []
  args:
    description: Replaces the container's arguments. Never put a secret here.
    type: list
    elements: str
    default: []
  env:
    description: Environment variables of the container that are added or replaced. Never put a secret here.
    type: dict
    default: {}
  timeout:
    description: Longest wait, in seconds.
    type: int
    default: 3600
  at_timeout:
    description:
      - What becomes of the Job when the wait was too long. V(stop) removes it, V(leave) lets it go on, so that the
        next run waits on.
    type: str
    choices: [stop, leave]
    default: stop
  adopt_finished:
    description:
      - Whether to take the result of a Job with the same settings that succeeded in the last hour, after its controller
        was killed, instead of running it again.
    type: bool
    default: false
  lease:
    description: RV(hustlex.platform.lease#module:lease) of the lock that this run holds; it is renewed during the wait.
    type: dict
attributes:
  check_mode:
    description: Asks the API server whether it would take the Job; runs nothing.
    support: full
  diff_mode:
    description: A Job that is gone after it ran leaves nothing to compare.
    support: none
  idempotent:
    description: Each task runs its Job.
    support: none
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - hustlex.platform.kubernetes
seealso:
  - module: hustlex.platform.rollout
"""

EXAMPLES = r"""
- name: Take a dump now
  hustlex.platform.job:
    name: postgres-backup-now
    cron_job: postgres-backup
    timeout: 3600
  register: dump

- name: Show its size
  ansible.builtin.debug:
    msg: "{{ dump.report.size }}"
"""

RETURN = r"""
job:
  description: Name of the Job.
  returned: always
  type: str
  sample: postgres-backup-now
report:
  description: What its RESULT line says; empty when it wrote none.
  returned: when the Job ended
  type: dict
  sample: {"id": "20261124T030000Z", "size": 52428800}
log:
  description: The last 20 lines of its log.
  returned: when the Job ended
  type: list
  elements: str
seconds:
  description: How long the wait took.
  returned: when the Job ended
  type: float
  sample: 12.4
resumed:
  description: Whether the Job was there already.
  returned: when the Job ended
  type: bool
  sample: false
evidence:
  description: What is known about the failure, with values of Secrets hidden.
  returned: on failure of the Job
  type: dict
  contains:
    workload:
      description: Kind and name.
      type: str
      sample: Job postgres-backup-now
    reason:
      description: What is wrong, in one sentence.
      type: str
      sample: "Job postgres-backup-now failed; its last words: \"The bucket hustlex-backups does not exist.\"."
    command:
      description: The command that shows more.
      type: str
      sample: kubectl logs job/postgres-backup-now -n hustlex
    conditions:
      description: Conditions of the Job that are not as they should be.
      type: list
      elements: str
    events:
      description: The latest warnings about the Job and its pods, oldest first.
      type: list
      elements: str
    logs:
      description: Last log lines by pod and container.
      type: dict
"""
