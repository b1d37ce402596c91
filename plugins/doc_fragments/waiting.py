# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of actions that wait for workloads."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  timeout:
    description: Longest wait, in seconds.
    type: int
    default: 600
  unschedulable_grace:
    description: How long a pod may find no node or no volume before that counts as a failure, in seconds.
    type: int
    default: 15
  interval:
    description: Longest time without a line of progress, in seconds.
    type: int
    default: 10
  log_lines:
    description: How many of the last log lines of each failing container are kept as evidence.
    type: int
    default: 20
  lease:
    description: RV(hustlex.platform.lease#module:lease) of the lock that this run holds; it is renewed during the wait.
    type: dict
"""
