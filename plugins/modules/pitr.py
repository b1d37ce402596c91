#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: pitr
short_description: Plan a recovery to a point in time, swap it in, take it back
version_added: 0.2.0
author:
  - HustleX engineering (@hustlex)
description:
  - Proves from the object store alone that a point in time can be reached, before anything is touched. The newest
    base backup that ended before the target, every WAL segment from its start to beyond the target, the way across
    timelines and every timeline history file must be there; otherwise the task fails and names the times that can be
    reached.
  - Exchanges the volume of the database for the recovered one, and back. The old volume is kept. Each step is written
    down in ConfigMap C(postgres-recovery) before it is done, and a run that was killed is finished by the next one.
  - While volumes are exchanged no pod is the recorded primary, and no volume is moved before every pod that has it
    mounted is gone.
  - The restore itself runs as a Job in the cluster between V(planned) and V(restored); role C(backup) has it.
options:
  state:
    description:
      - V(planned) makes and shows the plan, and records it unless in check mode.
      - V(restored) records the report of the restore Job.
      - V(swapped) gives the recovered volume to the database, starts it, the application and new replicas, and takes
        a base backup.
      - V(reverted) gives the volume of before the swap back to the database, in the same way.
      - V(removed) removes the recovered copy, or, after a swap, the volume that was kept.
    type: str
    choices: [planned, restored, swapped, reverted, removed]
    default: planned
  target:
    description:
      - A time with an explicit offset such as V(2026-11-23T10:30:00+01:00), a WAL position V(lsn:0/3000000), a
        transaction V(xid:123), a restore point V(name:before-upgrade), or V(latest).
      - Needed for O(state=planned).
    type: str
    default: ""
  timeline:
    description:
      - Timeline to recover along. Without it, for a time the one that was current then, as upload times tell; for the
        other targets the one of the newest WAL, if the newest base backup says the same.
    type: int
  store:
    description:
      - Where the bucket is, as this machine sees it. Keys C(bucket), C(endpoint), C(region), C(ca_file),
        C(path_style), C(credentials_file) and C(profile).
    type: dict
    default: {}
  stanza:
    description: pgBackRest's name of the database.
    type: str
    default: main
  wal_segment_bytes:
    description: Size of a WAL segment, in bytes.
    type: int
    default: 16777216
  volume_size:
    description: Size of the volume to restore into, as a Kubernetes quantity; by default that of the database's own.
    type: str
    default: ""
  restore_megabytes_per_second:
    description: How fast a base backup is restored, for the estimate alone.
    type: int
    default: 100
  replay_segments_per_second:
    description: How many WAL segments are replayed a second, for the estimate alone.
    type: int
    default: 5
  report:
    description: What the restore Job reported, for O(state=restored).
    type: dict
    default: {}
  environment:
    description: The environment that the inventory is.
    type: str
    default: ""
  confirm:
    description: Must be the same as O(environment) where data that runs, or the way back, is given up.
    type: str
    default: ""
  branch_job:
    description:
      - Manifest of the Job that brings data that comes back to a timeline of its own; its volume C(data) becomes that
        of the data. Needed for O(state=reverted).
    type: dict
    default: {}
  base_cron_job:
    description: CronJob whose Job makes the base backup after a swap.
    type: str
    default: postgres-base-backup
  timeout:
    description: Longest wait for the base backup, in seconds.
    type: int
    default: 3600
  lease:
    description: RV(hustlex.platform.lease#module:lease) of the lock that this run holds; it is renewed during an exchange.
    type: dict
attributes:
  check_mode:
    description: Makes and shows the plan, or names the steps of the exchange; changes nothing.
    support: full
  diff_mode:
    description: The plan says what will be done.
    support: none
  idempotent:
    description: A recovery that is swapped in, or taken back, stays as it is.
    support: full
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - hustlex.platform.kubernetes
notes:
  - Needs boto3 on the controller. An exchange needs the right to patch PersistentVolumes.
  - The plan needs no cluster in check mode, so that it can be made when the cluster is lost.
seealso:
  - module: hustlex.platform.job
"""

EXAMPLES = r"""
- name: See whether the moment can be recovered
  hustlex.platform.pitr:
    namespace: hustlex
    target: "2026-11-23T10:30:00+01:00"
    store: {bucket: hustlex-backups, region: eu-central-1}
  check_mode: true

- name: Swap the recovered database in
  hustlex.platform.pitr:
    namespace: hustlex
    state: swapped
    store: {bucket: hustlex-backups, region: eu-central-1}
    environment: production
    confirm: production
"""

RETURN = r"""
plan:
  description: What will be restored and replayed.
  returned: for state planned
  type: dict
  sample: {"base": "20261123-193657F", "timeline": 1, "last_segment": "00000001000000000000002A"}
digest:
  description: Stands for the plan; the restore Job refuses to run another one.
  returned: for state planned
  type: str
  sample: 3f1c0a9b12d4e5f6
volume:
  description: Size and storage class of the volume to restore into; empty is not known.
  returned: for state planned
  type: dict
  sample: {"size": "20Gi", "storage_class": "gp3"}
recovery:
  description: Where the recovery stands, as recorded.
  returned: for all states but removed
  type: str
  sample: restored
report:
  description: What the restore Job proved.
  returned: when it ran
  type: dict
  sample: {"timeline": 2, "last_commit": "2026-11-23T09:29:58Z", "amcheck": "passed"}
kept:
  description: Claim of the volume that was taken out, the way back.
  returned: for states swapped and reverted
  type: str
  sample: postgres-before-20261124t030000z
steps:
  description: What would be done.
  returned: for states swapped and reverted, in check mode
  type: list
  elements: str
removed:
  description: Claims that were deleted with their data.
  returned: for state removed
  type: list
  elements: str
lines:
  description: The same as text.
  returned: for all states but removed
  type: list
  elements: str
"""
