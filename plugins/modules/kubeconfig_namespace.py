#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeconfig_namespace
short_description: Set the default namespace of a kubeconfig's context
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Does what C(kubectl config set-context --current --namespace=NAMESPACE) does, guide 2.2.
  - Changes the file that a login with the same options reads; of several in E(KUBECONFIG) the one with the context.
options:
  namespace:
    description: Namespace that the context takes as its default.
    type: str
    required: true
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
attributes:
  check_mode:
    description: Says whether the file would change. A kubeconfig that does not exist yet is no failure.
    support: full
  diff_mode:
    description: A kubeconfig holds secrets, so nothing of it is shown.
    support: none
"""

EXAMPLES = r"""
- name: Work in the namespace hustlex by default
  hustlex.platform.kubeconfig_namespace:
    context: hustlex-prod
    namespace: hustlex
"""

RETURN = r""" # """
