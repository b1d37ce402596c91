#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: announce
short_description: Tell a team's chat and Grafana that an operation starts, succeeded or failed
version_added: 0.3.0
author:
  - HustleX engineering (@hustlex)
description:
  - Posts a line of text to a Slack-compatible webhook, and an annotation to Grafana, so that the operation is seen in
    every graph. Either, both or none of them may be configured.
  - Never fails because of a receiver. One that is not reached, refuses, or does not answer within O(timeout) is named in a
    warning of one sentence, which holds neither its address nor a token.
  - Environment variables C(HTTPS_PROXY), C(HTTP_PROXY) and C(NO_PROXY) of the controller are respected. Redirects are not
    followed.
options:
  event:
    description: What happened. Grafana's annotation has it as a tag.
    type: str
    choices: [start, success, failure]
    required: true
  text:
    description: One line for people. Do not put a secret here.
    type: str
    required: true
  tags:
    description: Tags of Grafana's annotation.
    type: list
    elements: str
    default: []
  webhook_url:
    description: Address of the webhook, C(http) or C(https). Whoever knows it can write there, so it is a secret.
    type: str
    default: ""
  grafana_url:
    description: Address of Grafana, to which C(/api/annotations) is added.
    type: str
    default: ""
  grafana_token_file:
    description: File on the controller with the token of a service account that may write annotations.
    type: path
    default: ""
  timeout:
    description: Longest time for all receivers together, in seconds.
    type: int
    default: 5
attributes:
  check_mode:
    description: Tells nobody.
    support: full
  diff_mode:
    description: Changes nothing that could be compared.
    support: none
  idempotent:
    description: Each task tells once more; RV(ignore:changed) is false, since nothing is changed.
    support: none
requirements:
  - python >= 3.11
seealso:
  - module: hustlex.platform.rollout
"""

EXAMPLES = r"""
- name: Tell that the deploy starts
  hustlex.platform.announce:
    event: start
    text: "production: v1.2.3 is being deployed"
    tags: [hustlex, production, deploy]
    webhook_url: "{{ app_webhook_url }}"
    grafana_url: https://grafana.example.com
    grafana_token_file: ~/.config/hustlex/grafana-token
"""

RETURN = r"""
delivered:
  description: Who was told.
  returned: always
  type: list
  elements: str
  sample: [The webhook, Grafana]
problems:
  description: The warnings about those who were not.
  returned: always
  type: list
  elements: str
  sample: ["Grafana was not told: it answered 401; the run goes on."]
"""
