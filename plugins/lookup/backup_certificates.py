# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_certificates
short_description: Make the certificates that a base backup is read with
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Makes an authority, a server's certificate and a client's, new ones at each call. The key of the authority is forgotten, so
    that nobody can make a fourth.
  - Keep the result in a Secret with the annotation C(hustlex.app/keep-data).
options:
  _terms:
    description: DNS names of the server, which may begin with a wildcard.
    type: list
    elements: str
    required: true
  client:
    description: Common name of the client.
    type: str
    required: true
  days:
    description: Days that the certificates are valid.
    type: int
    default: 3650
"""

EXAMPLES = r"""
- name: Show the names of the files
  ansible.builtin.debug:
    msg: "{{ lookup('hustlex.platform.backup_certificates', '*.shop.svc.cluster.local', client='backup') | list }}"
"""

RETURN = r"""
_list:
  description: One dictionary with C(ca.crt), C(server.crt), C(server.key), C(client.crt) and C(client.key), each as PEM.
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.hustlex.platform.plugins.plugin_utils import certificates


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, str]]:
        self.set_options(var_options=variables, direct=kwargs)
        if not terms:
            raise AnsibleError("backup_certificates needs a DNS name of the server.")
        return [certificates.mutual(list(terms), self.get_option("client"), self.get_option("days"))]
