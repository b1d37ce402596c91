#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: health
short_description: Ask a release for its health, from inside the cluster and from outside
version_added: 0.3.0
author:
  - HustleX engineering (@hustlex)
description:
  - Asks until three answers one after the other have status 200 and the expected version, or the time is over.
  - The Service is asked through the API server's proxy, from inside the cluster; the address from here, as a user would.
options:
  service:
    description: Service of the namespace and the name or number of its port, C(name:port).
    type: str
    default: ""
  url:
    description: Address without the path. At least one of O(service) and O(url) is needed.
    type: str
    default: ""
  path:
    description: Path that answers with JSON, C(version) in it (docs/application.md).
    type: str
    default: /api/v1/health
  paths:
    description: Further paths that must answer, with any status below 400, such as those that users need most.
    type: list
    elements: str
    default: []
  version:
    description: Version that must answer; any, when empty.
    type: str
    default: ""
  seconds:
    description: Longest time for each path at each of the two, in seconds.
    type: int
    default: 30
  lease:
    description: RV(hustlex.platform.lease#module:lease) of the lock that this run holds; it is renewed on the way.
    type: dict
attributes:
  check_mode:
    description: Asks nothing.
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
- name: Ask the release for its health
  hustlex.platform.health:
    service: hustlex-api:http
    url: https://staging-api.hustlex.app
    version: 1.2.3
"""

RETURN = r"""
passed:
  description: A sentence for each place that is healthy.
  returned: always
  type: list
  elements: str
  sample: [Service hustlex-api is healthy with version 1.2.3]
"""
