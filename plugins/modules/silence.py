#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: silence
short_description: Silence an alert for a while
version_added: 0.4.0
author:
  - HustleX engineering (@hustlex)
description:
  - Sets a silence in Alertmanager, with a reason and an end, or ends silences that there are. Both are required to set one, since
    a silence that nobody can explain, or that never ends, hides the next outage.
  - A silence of the same alerts that is in force is prolonged, or given the new reason; there is never a second one. One that lasts
    as long already is left as it is.
  - Refuses the name of an alert that Prometheus has no rule for.
options:
  alert:
    description: Name of the alert.
    type: str
    default: ""
  matchers:
    description:
      - Labels that the alerts must have, each as C(label=value), C(label!=value), C(label=~regex) or C(label!~regex). With
        O(alert), only those of its alerts.
    type: list
    elements: str
    default: []
  minutes:
    description: How long the silence lasts, in minutes. Give either this or O(end).
    type: int
  end:
    description: When it ends, in RFC 3339 with a zone, such as C(2026-07-01T09:30Z).
    type: str
    default: ""
  most_minutes:
    description: Longest silence, in minutes.
    type: int
    default: 10080
  reason:
    description: Why, for whoever is on call next.
    type: str
    default: ""
  who:
    description: Who sets it; the user and machine of the controller by default.
    type: str
    default: ""
  expire:
    description: Ids of silences that end now, instead of all of the above. One that is over already is fine.
    type: list
    elements: str
    default: []
  prometheus:
    description:
      - C(name:port) of the Service of Prometheus in O(namespace), asked through the API server for the names of the alerts. When it
        does not answer, the name is taken as it is, with a warning.
    type: str
    default: prometheus:9090
  alertmanager:
    description:
      - C(name:port) of the Service of Alertmanager in O(namespace), asked through the API server with the login to the cluster, which
        must be allowed to C(get), C(create) and C(delete services/proxy).
    type: str
    default: alertmanager:9093
attributes:
  check_mode:
    description: Looks at the silences that there are, and says what it would do.
    support: full
  diff_mode:
    description: A silence has no earlier state that would be worth a comparison.
    support: none
  idempotent:
    description: A second run with the same options within a minute changes nothing; a later one prolongs the silence.
    support: full
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - hustlex.platform.kubernetes
seealso:
  - module: hustlex.platform.alerts
"""

EXAMPLES = r"""
- name: Silence an alert during planned work
  hustlex.platform.silence:
    namespace: hustlex
    alert: HighLatency
    minutes: 60
    reason: load test

- name: Silence all that is about one pod
  hustlex.platform.silence:
    namespace: hustlex
    matchers: ["pod=postgres-replica-0"]
    end: 2026-07-01T09:30Z
    reason: the standby is copied anew

- name: End a silence
  hustlex.platform.silence:
    namespace: hustlex
    expire: [8e2d1f3a-5c1b-4b3e-9a53-0f3a0d6f4c11]
"""

RETURN = r"""
id:
  description: Id of the silence; empty in check mode when it would be a new one.
  returned: when a silence was asked for
  type: str
  sample: 8e2d1f3a-5c1b-4b3e-9a53-0f3a0d6f4c11
ends:
  description: When it ends, in RFC 3339.
  returned: when a silence was asked for
  type: str
  sample: "2026-07-01T09:30:00+00:00"
expired:
  description: Ids of the silences that were ended, or in check mode would be.
  returned: with O(expire)
  type: list
  elements: str
"""
