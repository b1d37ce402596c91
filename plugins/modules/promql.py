#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: promql
short_description: Judge what runs by Prometheus
version_added: 0.3.0
author:
  - HustleX engineering (@hustlex)
description:
  - Asks Prometheus some queries, once or again and again for a while, and compares their values with limits and with
    the values before.
  - The outcome is V(passed), V(failed) or V(inconclusive). V(failed) always fails the task, at once when a value is too
    high at two looks in a row, else when it is too high at the last look. A single look in between does no harm.
  - No data, NaN, too few requests, an error of the API or a Prometheus that does not answer is V(inconclusive), never
    V(passed). A Prometheus that comes back during the watch is asked on; at least half of the looks, the last one
    included, must have had an answer.
  - The value of a query with several series is the highest of them. If one of them is NaN, the query does not pass.
  - A query that Prometheus does not understand fails the task at once, with Prometheus's own sentence.
  - Shows the values and how much of the watch is over, whenever they change and at least each ten seconds.
options:
  url:
    description:
      - Address of Prometheus, such as C(https://prometheus.example.com), with its path prefix if it has one.
      - Give either this or O(service).
    type: str
    default: ""
  service:
    description:
      - C(name:port) of the Service of Prometheus in O(namespace), asked through the API server with the login to the
        cluster, which must be allowed to C(get services/proxy). C(https:name:port) where it speaks HTTPS.
    type: str
    default: ""
  namespace:
    description: Namespace of O(service) and O(lease).
    type: str
    required: false
    default: ""
  bearer_token_file:
    description: File on the controller with the token that O(url) asks for.
    type: path
    default: ""
  ca_file:
    description: File on the controller with the certificates, in PEM, that the certificate of O(url) is checked with.
    type: path
    default: ""
  queries:
    description: What must stay within its limits. Each query has O(queries[].max), O(queries[].max_increase) or both.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Short name for messages, such as C(errors).
        type: str
        required: true
      query:
        description: PromQL that gives numbers, evaluated at the time of each look.
        type: str
        required: true
      unit:
        description: Unit for messages, such as C(s). V(ratio) is shown in percent.
        type: str
        default: ""
      max:
        description: Highest good value.
        type: float
      max_increase:
        description:
          - The value may be at most so many times the one at O(since).
          - When there was none, O(queries[].max) alone decides; without O(queries[].max) the outcome is V(inconclusive).
        type: float
      min_before:
        description: A value at O(since) that is lower counts as this, so that one error after none is not a breach.
        type: float
        default: 0.0
      query_before:
        description:
          - PromQL for the value at O(since), where O(queries[].query) cannot give it, such as when it selects
            the pods of one release.
        type: str
        default: ""
      needs_requests:
        description: Whether the value says something only if there were O(minimum_requests).
        type: bool
        default: true
  since:
    description: When the values before are taken, in RFC 3339 such as C(2026-07-01T09:30:00Z). Needed for O(queries[].max_increase).
    type: str
    default: ""
  requests_query:
    description: PromQL that counts the requests behind the values, in the same range of time.
    type: str
    default: ""
  minimum_requests:
    description: Fewer requests than this at the last look are V(inconclusive).
    type: float
    default: 0.0
  seconds:
    description: How long to watch, in seconds. V(0) is one look.
    type: float
    default: 0.0
  interval:
    description:
      - Longest time between two looks, in seconds. Not shorter than Prometheus's scrape interval, or two looks
        see the same.
    type: float
    default: 10.0
  fail_on_inconclusive:
    description: Whether the task fails when the outcome is V(inconclusive). If not, it warns.
    type: bool
    default: false
  lease:
    description:
      - RV(hustlex.platform.lease#module:lease) of the lock that this run holds, in O(namespace); it is renewed during the
        watch. When it is lost, the watch ends and the task fails.
    type: dict
attributes:
  check_mode:
    description: Looks once and does not fail.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - hustlex.platform.kubernetes
seealso:
  - module: hustlex.platform.rollout
  - name: Querying Prometheus
    description: The language of the queries.
    link: https://prometheus.io/docs/prometheus/latest/querying/basics/
"""

EXAMPLES = r"""
- name: Watch the new version for five minutes
  hustlex.platform.promql:
    service: prometheus:9090
    namespace: hustlex
    seconds: 300
    since: "{{ deploy_began }}"
    requests_query: sum(increase(http_requests_total{namespace="hustlex"}[300s]))
    minimum_requests: 20
    fail_on_inconclusive: true
    queries:
      - name: errors
        unit: ratio
        query: >-
          sum(rate(http_requests_failed_total{namespace="hustlex"}[300s]))
          / sum(rate(http_requests_total{namespace="hustlex"}[300s]))
        max: 0.01
      - name: p95
        unit: s
        query: >-
          histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{namespace="hustlex"}[300s])))
        max: 0.5
        max_increase: 2
        min_before: 0.1
    lease: "{{ lock.lease }}"
  register: gate

- name: Show the worst ratio of errors
  ansible.builtin.debug:
    msg: "{{ gate['values'] | selectattr('name', 'eq', 'errors') | map(attribute='worst') | first }}"

- name: Look once from outside the cluster
  hustlex.platform.promql:
    url: https://prometheus.example.com
    bearer_token_file: ~/.config/prometheus-token
    queries:
      - name: firing critical alerts
        query: sum(ALERTS{alertstate="firing", severity="critical"}) or vector(0)
        max: 0
"""

RETURN = r"""
outcome:
  description: V(passed), V(failed) or V(inconclusive).
  returned: when every query could be asked
  type: str
  sample: passed
reason:
  description: Why, in one sentence with the values and their limits. The message of a task that fails.
  returned: when every query could be asked
  type: str
  sample: >-
    Too high at 2 looks in a row: errors 52.1 % (at most 1 %; 0.1 % before).
values:
  description:
    - Each query's values, in the order of the queries. In Jinja write C(result['values']), since C(result.values)
      is a method.
  returned: when every query could be asked
  type: list
  elements: dict
  contains:
    name:
      description: Name of the query.
      type: str
      sample: errors
    unit:
      description: Its unit.
      type: str
      sample: ratio
    limit:
      description: The highest good value, from O(queries[].max) and O(queries[].max_increase); null when it is not known.
      type: float
      sample: 0.01
    before:
      description: The value at O(since); null when there was none.
      type: float
      sample: 0.001
    last:
      description: The value at the last look; null when there was none, or it was infinite.
      type: float
      sample: 0.521
    worst:
      description: The highest value of all looks; null when there was none, or it was infinite.
      type: float
      sample: 0.521
requests:
  description: Number of requests at the last look; null when it is not known.
  returned: when every query could be asked
  type: float
  sample: 214.0
looks:
  description: How often Prometheus was asked, looks without an answer included.
  returned: when every query could be asked
  type: int
  sample: 3
seconds:
  description: How long the watch took, in seconds.
  returned: when every query could be asked
  type: float
  sample: 20.1
"""
