#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: release_info
short_description: Read the releases of the application
version_added: 0.3.0
author:
  - HustleX engineering (@hustlex)
description:
  - Reads the records that M(hustlex.platform.release) wrote.
options:
  number:
    description: Number of the release whose manifests are wanted, too; one that failed is refused with its reason.
    type: int
  which:
    description:
      - The same by its place. V(previous_good) is the newest good one that differs from the last good one and came before it;
        a rollback counts as the release that it brought back.
    type: str
    choices: [last_good, previous_good]
  newest:
    description: Fail when another release than this one is the newest on record; 0 stands for none. For a run that looked before
      it got the lock.
    type: int
  show:
    description: Print the releases as a table.
    type: bool
    default: false
attributes:
  check_mode:
    description: Changes nothing.
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
- name: Show the releases
  hustlex.platform.release_info:
    show: true

- name: Find the release before
  hustlex.platform.release_info:
    which: previous_good
  register: found
"""

RETURN = r"""
releases:
  description: All releases on record, the newest first, each as RV(release).
  returned: always
  type: list
  elements: dict
release:
  description: The release that O(number) or O(which) names; empty when none was asked for, or there is no last good one.
  returned: always
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
manifests:
  description: Its manifests.
  returned: always
  type: list
  elements: dict
database:
  description: What the running API says about its database; empty when it does not answer.
  returned: when a release was found
  type: dict
again:
  description: The release in the form of a result of M(hustlex.platform.preflight), to bring it back.
  returned: when a release was found
  type: dict
"""
