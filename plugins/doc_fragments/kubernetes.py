# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options and attributes that the Kubernetes actions of this collection share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  namespace:
    description:
      - Namespace of the set. Namespaced objects that name no namespace of their own are put there.
    type: str
    required: true
notes:
  - Runs in the controller's process, whatever the host of the play, and keeps one connection to the API server.
    The login options are those of the kubernetes.core modules, environment variables C(K8S_AUTH_*) included.
requirements:
  - python >= 3.11
  - PyYAML >= 6.0
  - urllib3 >= 2.0
  - kubernetes >= 31
"""
