#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
short_description: Show what backups there are and which moments can be restored
version_added: 0.2.0
author:
  - HustleX engineering (@hustlex)
description:
  - Reads the bucket itself, so that it also tells what there is when the cluster is lost.
  - Shows dumps, base backups, WAL with its gaps, the moments that can be restored, Redis snapshots, test restores,
    the last failure of each kind of job, and whatever cannot be read.
options:
  name:
    description: Heading of the report; the name of the bucket by default.
    type: str
  show:
    description: Whether the table is printed. It is in RV(table) all the same.
    type: bool
    default: true
  json:
    description: File on the controller that the whole catalogue is written to.
    type: path
  svg:
    description: File on the controller that a drawing with a time axis is written to.
    type: path
attributes:
  check_mode:
    description: Reads and shows the same; writes no file.
    support: full
  diff_mode:
    description: Changes nothing but the files that it is told to write.
    support: none
  idempotent:
    description: Changes nothing but the files that it is told to write.
    support: full
notes:
  - Runs in the controller's process, whatever the host of the play.
extends_documentation_fragment:
  - hustlex.platform.store
  - hustlex.platform.store.archive
seealso:
  - module: hustlex.platform.backup_retention
"""

EXAMPLES = r"""
- name: Show the backups
  hustlex.platform.backup_info:
    store:
      bucket: hustlex-backups
      region: eu-central-1
    svg: backups.svg
"""

RETURN = r"""
table:
  description: The report, line by line.
  returned: always
  type: list
  elements: str
files:
  description: Files that were written.
  returned: always
  type: list
  elements: str
backups:
  description: What the report is made of. Lists go from the oldest to the newest; times are ISO 8601 in UTC.
  returned: always
  type: dict
  contains:
    taken:
      description: When the bucket was read.
      type: str
      sample: "2026-11-24T03:00:05Z"
    windows:
      description: Spans of time of which every moment can be restored, each with start, end, timeline and base.
      type: list
      elements: dict
    bases:
      description: Base backups, each with id, start, end, size in bytes and note.
      type: list
      elements: dict
    runs:
      description: WAL without gaps, each with timeline, first, last, count, size in bytes, start and end.
      type: list
      elements: dict
    gaps:
      description: WAL that is missing, each with timeline, first, last, count, start and end.
      type: list
      elements: dict
    dumps:
      description: Dumps, each with id, start, end, size in bytes and note.
      type: list
      elements: dict
    snapshots:
      description: Redis snapshots, each with id, start, end, size in bytes and note.
      type: list
      elements: dict
    verifications:
      description: Test restores, each with id, when, ok, restore_seconds, data_age_seconds and note.
      type: list
      elements: dict
    failures:
      description: The last failure of each kind of job that has not succeeded since, with what, when and message.
      type: list
      elements: dict
    problems:
      description: Sentences about what is damaged or contradicts itself.
      type: list
      elements: str
"""
