#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Say whether a release can go ahead, before anything is touched
version_added: 0.3.0
author:
  - HustleX engineering (@hustlex)
description:
  - Renders the manifests of a set, compares them with what runs and with the last good release, and says whether there
    is anything to do. When there is nothing, it looks no further.
  - Otherwise it goes through the checklist of guide 3.5 and reports everything that is not in order at once, each with
    how to mend it. That are the image, the manifests (a server-side dry run), rights, secrets, configuration, nodes, the
    size of the pods, room for one more, quota, disruption budgets, the age of the last dump, the database's schema,
    freeze windows and, where a Prometheus answers, firing alerts.
  - The image is asked by running C(./api version --json) of it once in a Job. So it exists, starts on these nodes, says
    which schema it needs, and the node knows its digest, by which it is then deployed. After the first release the same
    Job asks C(./api migrate status --json), so that a release without migrations needs no Job for them.
options:
  name:
    description: Name of the set, as for M(hustlex.platform.apply).
    type: str
    required: true
  templates:
    description: Its templates, as for M(hustlex.platform.apply).
    type: list
    elements: str
    required: true
  image:
    description: Image without tag.
    type: str
    required: true
  version:
    description: Tag, or digest that begins with C(sha256:).
    type: str
    required: true
  pinned_variable:
    description: Name of the variable by which the templates get the image with its digest.
    type: str
    required: true
  probe:
    description: Manifest of a Job of the image; the command of its first container is replaced.
    type: dict
    required: true
  probe_timeout:
    description: Longest wait for the image and its answer, in seconds.
    type: int
    default: 300
  environment:
    description: Name of the environment; V(production) is stricter about versions and secrets.
    type: str
    required: true
  pin_required:
    description: Refuse an image whose digest the nodes do not know.
    type: bool
    default: false
  secret_keys:
    description: Keys that Secret C(hustlex-secrets) must have, none of them a placeholder.
    type: list
    elements: str
    default: []
  config_keys:
    description: Keys that ConfigMap C(hustlex-config) must have.
    type: list
    elements: str
    default: []
  backup_cron_job:
    description: CronJob that makes dumps.
    type: str
    default: postgres-backup
  backup_max_age_hours:
    description:
      - Oldest that the last good dump may be, in hours; 0 does not ask. Before the first release there is nothing to lose, and
        none is asked for.
    type: float
    default: 0
  freeze_windows:
    description:
      - Times at which nothing is released. Each has C(from) and C(to) as RFC 3339 with an offset, or C(days) (V(mon) to
        V(sun)), C(from) and C(to) as HH:MM in quotes and C(timezone); and a C(reason).
    type: list
    elements: dict
    default: []
  ignore_freeze:
    description: Release nevertheless.
    type: bool
    default: false
  ignore_alerts:
    description: Release although critical alerts are firing.
    type: bool
    default: false
  allow_breaking_migration:
    description: Release although the running code cannot live with the new migrations.
    type: bool
    default: false
  prometheus_url:
    description:
      - Address of a Prometheus that is asked for firing critical alerts, of the namespace or of none. Until there is a good release
        it is not asked, since the alerts are about what is not there yet.
    type: str
    default: ""
  prometheus_service:
    description: The same by a Service of the namespace, C(name:port), through the API server.
    type: str
    default: ""
  prometheus_bearer_token_file:
    description: File with the token that O(prometheus_url) wants.
    type: path
    default: ""
  prometheus_ca_file:
    description: File with the authority that signed the certificate of O(prometheus_url), when it is not a public one.
    type: path
    default: ""
  watch_seconds:
    description: Length of the watch window after the release, in seconds; one above 0 needs a Prometheus.
    type: int
    default: 0
  watch_required:
    description: Refuse a watch window without a Prometheus.
    type: bool
    default: false
  log_error_pattern:
    description: Regular expression of Python, such as O(hustlex.platform.logs#module:pattern); what is none is refused.
    type: str
    default: ""
  checklist:
    description: Go through the checklist even when there is nothing to do, and show all of it.
    type: bool
    default: false
attributes:
  check_mode:
    description: Starts no Job, so that the image is not asked; what stands against a release is a warning.
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
"""

EXAMPLES = r"""
- name: Check that the release can go ahead
  hustlex.platform.preflight:
    name: app
    templates: ["*.yaml.j2"]
    image: hustlex/api
    version: v1.2.3
    pinned_variable: app_pinned_image
    probe: "{{ lookup('ansible.builtin.template', 'migration/job.yaml.j2') | from_yaml }}"
    environment: staging
"""

RETURN = r"""
needed:
  description: Whether this is another release than the last good one.
  returned: success
  type: bool
  sample: true
changes:
  description: Objects that applying would change.
  returned: success
  type: list
  elements: str
  sample: [Deployment hustlex-api, Deployment hustlex-worker]
manifests:
  description: The manifests to apply.
  returned: success
  type: list
  elements: dict
content:
  description: Hash of the manifests.
  returned: success
  type: str
  sample: 0f3d5a7c9b1e2d4f
code:
  description: What is known of the new code.
  returned: success
  type: dict
  contains:
    image:
      description: The image as the pods will name it.
      type: str
      sample: hustlex/api:v1.2.3
    reported:
      description: What the code calls itself.
      type: str
      sample: 1.2.3
    schema:
      description: Schema that it needs.
      type: int
      sample: 6
    min_compatible_schema:
      description: Oldest schema whose code can run beside its migrations.
      type: int
      sample: 5
    pending:
      description: How many of its migrations the database lacks; none where that is not known.
      type: int
      sample: 0
version:
  description: The version that was asked for.
  returned: success
  type: str
  sample: v1.2.3
kind:
  description: Always V(deploy).
  returned: success
  type: str
  sample: deploy
of:
  description: Always 0.
  returned: success
  type: int
  sample: 0
started:
  description: When the release began, by the API server's clock, RFC 3339.
  returned: success
  type: str
  sample: "2026-11-25T15:04:05+00:00"
last_good:
  description: The last good release as M(hustlex.platform.release_info) shows it; empty when there is none.
  returned: success
  type: dict
newest:
  description: Number of the newest release on record, good or failed; 0 when there is none.
  returned: success
  type: int
  sample: 12
unfit:
  description: Whether it is the version itself that cannot run, by its image or its schema.
  returned: failure of the checklist
  type: bool
  sample: false
checks:
  description: The checklist.
  returned: success
  type: list
  elements: dict
  contains:
    item:
      description: What was looked at.
      type: str
      sample: schema
    state:
      description: V(ok), V(warning), V(failed) or V(skipped).
      type: str
      sample: ok
    message:
      description: What was found and how to mend it.
      type: str
      sample: the code needs schema 6, the database has 6
"""
