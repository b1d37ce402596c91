#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_check
short_description: Check that a cluster can carry an environment
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Checks that the API server answers, its version, the rights of the user, that a node takes pods, the default
    StorageClass, the resource metrics API and the size of the nodes, and names everything that is missing at once.
  - What the user may not read (nodes, storage classes) is left out.
options:
  namespace:
    description: Namespace that the rights are asked for.
    type: str
    required: true
  minimum_version:
    description: Oldest version of Kubernetes that will do, for example V(1.30).
    type: str
    required: true
  require_storage_class:
    description: Whether a default StorageClass must exist.
    type: bool
    default: true
  require_metrics:
    description: Whether the resource metrics API must answer.
    type: bool
    default: true
  may_be_stopped:
    description: Whether the same play starts the cluster, so that check mode may find it stopped.
    type: bool
    default: false
  roles:
    description:
      - Roles of this collection whose pods must each fit on a node; their variables must be those of the play.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
attributes:
  check_mode:
    description:
      - Changes nothing. In check mode a kubeconfig that does not exist yet is no failure, and a pod that fits on no node
        is a warning.
    support: full
  diff_mode:
    description: Has nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Check that the cluster can carry the environment
  hustlex.platform.cluster_check:
    context: hustlex-prod
    namespace: hustlex
    minimum_version: "1.30"
"""

RETURN = r"""
version:
  description: Version of Kubernetes that the API server runs.
  returned: success
  type: str
  sample: v1.36.3
msg:
  description: One sentence for each thing that is missing.
  returned: always
  type: str
"""
