#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Record a release of the application
version_added: 0.3.0
author:
  - HustleX engineering (@hustlex)
description:
  - Writes an immutable ConfigMap C(hustlex-release-NUMBER) with everything that is needed to bring the release back -
    manifests without any secret, image with digest, schema - and with how it went.
  - Lets go of the oldest records and of the copies of the configuration that no kept record needs. The last good release
    and the one before it are always kept.
options:
  result:
    description: How it ended.
    type: str
    choices: [good, failed]
    required: true
  kind:
    description: What it was.
    type: str
    choices: [deploy, rollback]
    default: deploy
  of:
    description: The release that a rollback brought back.
    type: int
    default: 0
  version:
    description: The version that was asked for.
    type: str
    required: true
  code:
    description: RV(hustlex.platform.preflight#module:code).
    type: dict
    required: true
  content:
    description: RV(hustlex.platform.preflight#module:content).
    type: str
    required: true
  manifests:
    description: What was applied. A Secret among them is refused.
    type: list
    elements: dict
    required: true
  started:
    description: When it began, RFC 3339.
    type: str
    required: true
  who:
    description: Who released it; the user and host name by default.
    type: str
    default: ""
  git_revision:
    description: Commit that it was made of; that of the playbooks by default.
    type: str
    default: ""
  reason:
    description: Why it failed, in a sentence.
    type: str
    default: ""
  outcome:
    description: What runs after the failure, in a sentence.
    type: str
    default: ""
  verification:
    description: What was verified, a sentence each.
    type: list
    elements: str
    default: []
  evidence:
    description: RV(hustlex.platform.rollout#module:evidence) of the failure.
    type: list
    elements: dict
    default: []
  keep:
    description: Number of records that are kept, at least 2.
    type: int
    default: 20
  log_file:
    description: File on this machine that gets one line of JSON for each release.
    type: path
    default: ""
attributes:
  check_mode:
    description: Records nothing.
    support: full
  diff_mode:
    description: A record has no earlier state.
    support: none
  idempotent:
    description: Each call is a release of its own.
    support: none
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - hustlex.platform.kubernetes
"""

EXAMPLES = r"""
- name: Record the release
  hustlex.platform.release:
    result: good
    version: "{{ preflight.version }}"
    code: "{{ preflight.code }}"
    content: "{{ preflight.content }}"
    manifests: "{{ preflight.manifests }}"
    started: "{{ preflight.started }}"
"""

RETURN = r"""
release:
  description: The record without its manifests.
  returned: success
  type: dict
  contains:
    number:
      description: Its number, counted up in the namespace.
      type: int
      sample: 12
    kind:
      description: V(deploy) or V(rollback).
      type: str
      sample: deploy
    version:
      description: The version that was asked for.
      type: str
      sample: v1.2.3
    reported:
      description: What the code calls itself.
      type: str
      sample: 1.2.3
    image:
      description: The image as the pods name it, with its digest where the nodes know one.
      type: str
      sample: hustlex/api:v1.2.3
    content:
      description: Hash of its manifests.
      type: str
      sample: 0f3d5a7c9b1e2d4f
    result:
      description: V(good) or V(failed).
      type: str
      sample: good
    started:
      description: When it began, RFC 3339.
      type: str
      sample: "2026-11-25T15:04:05+00:00"
    finished:
      description: When it ended, RFC 3339.
      type: str
      sample: "2026-11-25T15:05:01+00:00"
    seconds:
      description: How long it took.
      type: float
      sample: 56.0
    who:
      description: Who released it.
      type: str
      sample: ada@laptop
    git_revision:
      description: Commit of the playbooks, if they are in a work tree.
      type: str
      sample: 041bd75b7a1f0c2d3e4f5a6b7c8d9e0f1a2b3c4d
    schema:
      description: Schema that the code needs; none when it does not say.
      type: int
      sample: 6
    min_compatible_schema:
      description: Oldest schema whose code can run beside its migrations.
      type: int
      sample: 5
    database_schema:
      description: Schema of the database at the end.
      type: int
      sample: 6
    images:
      description: What the nodes ran, by container.
      type: dict
    verification:
      description: What was verified, a sentence each.
      type: list
      elements: str
    reason:
      description: Why it failed.
      type: str
    outcome:
      description: What runs after a failure.
      type: str
    of:
      description: The release that a rollback brought back.
      type: int
      sample: 0
"""
