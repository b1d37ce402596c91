#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_retention
short_description: Delete the backups that no promise needs any more
version_added: 0.2.0
author:
  - HustleX engineering (@hustlex)
description:
  - Plans on the controller, from the bucket alone, what may go so that every moment of the recovery window that could
    be restored still can; shows the plan with a reason for each backup; and has a Job in the cluster delete it.
  - The Job makes the plan again and deletes nothing unless it is the one that was shown.
  - Nothing is deleted when there is any doubt, such as a gap in the WAL of the window, metadata that cannot be read, a
    bucket that is emptier than before, or clocks that differ. The message says why.
options:
  policy:
    description:
      - What is kept. C(window_days), C(minimum_bases), C(cap), C(max_skew_seconds), and for
        C(dumps) and C(snapshots) each C(days), C(minimum), C(daily), C(weekly), C(monthly) and C(yearly).
    type: dict
    default: {}
  environment:
    description: Name of the environment.
    type: str
    required: true
  confirm:
    description: The same name again, to delete more at once than the cap of the policy allows.
    type: str
    default: ""
  cron_job:
    description: CronJob whose template the Job is made of.
    type: str
    default: backup-retention
  timeout:
    description: Longest wait for the Job, in seconds. The Job goes on, and the next run waits for it.
    type: int
    default: 3600
attributes:
  check_mode:
    description: Makes and shows the same plan; needs no cluster for it.
    support: full
  diff_mode:
    description: What is there before and after.
    support: full
  idempotent:
    description: A second run finds nothing to delete.
    support: full
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - hustlex.platform.kubernetes
  - hustlex.platform.store
  - hustlex.platform.store.archive
seealso:
  - module: hustlex.platform.backup_info
"""

EXAMPLES = r"""
- name: Delete old backups
  hustlex.platform.backup_retention:
    store:
      bucket: hustlex-backups
      region: eu-central-1
    policy:
      window_days: 7
      dumps: {days: 30, minimum: 24, monthly: 12}
    environment: production
"""

RETURN = r"""
table:
  description: The plan, line by line.
  returned: when it could be made
  type: list
  elements: str
plan:
  description: What stays and what goes, each with its reason.
  returned: when it could be made
  type: dict
  contains:
    cutoff:
      description: When the recovery window begins, in UTC.
      type: str
      sample: "2026-11-17T03:15:00Z"
    anchor:
      description: The base backup that the window stands on.
      type: str
      sample: 20261116-013000F
    decisions:
      description: One for each backup, with kind, id, keep, reason and size in bytes.
      type: list
      elements: dict
    wal:
      description: WAL that goes, by timeline.
      type: list
      elements: dict
    refusals:
      description: Why nothing is deleted.
      type: list
      elements: str
    confirmations:
      description: What a person must confirm.
      type: list
      elements: str
    digest:
      description: Stands for what is deleted.
      type: str
      sample: 9f86d081884c7d65
report:
  description: What the Job deleted.
  returned: always
  type: dict
"""
