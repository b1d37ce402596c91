#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: alerts
short_description: Show what fires now
version_added: 0.4.0
author:
  - HustleX engineering (@hustlex)
description:
  - Shows the alerts that fire, the worst first, each with the time since when it does, what it is about, and the command that
    helps; then the silences that are in force.
  - Asks Prometheus, and Alertmanager for what it keeps to itself. Without an answer of Alertmanager the alerts are shown all the
    same, with a warning.
  - Says when the alert that always fires does not, since nothing firing means nothing then.
options:
  prometheus:
    description:
      - C(name:port) of the Service of Prometheus in O(namespace), asked through the API server with the login to the cluster, which
        must be allowed to C(get services/proxy).
    type: str
    default: prometheus:9090
  alertmanager:
    description: The same of Alertmanager.
    type: str
    default: alertmanager:9093
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
seealso:
  - module: hustlex.platform.silence
  - module: hustlex.platform.promql
"""

EXAMPLES = r"""
- name: Show what fires
  hustlex.platform.alerts:
    namespace: hustlex
"""

RETURN = r"""
alerts:
  description: What fires, in the order in which it is shown. Alerts of severity none are left out.
  returned: when Prometheus answered
  type: list
  elements: dict
  contains:
    severity:
      description: V(critical), V(warning) or V(info).
      type: str
      sample: critical
    alert:
      description: Name of the alert.
      type: str
      sample: DatabaseDown
    since:
      description: Since when its condition holds, in RFC 3339.
      type: str
      sample: "2026-07-01T09:30:00Z"
    what:
      description: What it is about, in words.
      type: str
      sample: PostgreSQL does not answer (pod postgres-0)
    command:
      description: The command that helps.
      type: str
      sample: ansible-playbook playbooks/status.yml -i inventories/production
    state:
      description: V(active), V(silenced) or V(inhibited); empty when Alertmanager did not say.
      type: str
      sample: active
    labels:
      description: Its labels.
      type: dict
silences:
  description: The silences that are not over.
  returned: when Prometheus answered
  type: list
  elements: dict
  contains:
    id:
      description: What O(hustlex.platform.silence#module:expire) takes.
      type: str
      sample: 8e2d1f3a-5c1b-4b3e-9a53-0f3a0d6f4c11
    matchers:
      description: Which alerts it silences.
      type: list
      elements: str
      sample: ["alertname=HighLatency"]
    ends:
      description: When it ends, in RFC 3339.
      type: str
    reason:
      description: Why it was set.
      type: str
    who:
      description: Who set it.
      type: str
notes:
  description: What else a person should know, each in a sentence.
  returned: when Prometheus answered
  type: list
  elements: str
lines:
  description: What is shown.
  returned: when Prometheus answered
  type: list
  elements: str
"""
