#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: apply
short_description: Bring a named set of Kubernetes objects to what its manifests say
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Renders templates, checks all manifests before the first request, and applies them server-side in the order
    of their dependencies, on one connection. Field manager is C(hustlex.platform); fields that others own are
    taken over, fields that the manifests do not name (such as the replicas that an autoscaler sets) are left
    alone.
  - Labels every object with C(hustlex.app/set=<name>), and removes objects that carry the label of the set and
    left it. Objects that hold data are never removed but returned as RV(orphaned).
  - An object whose content does not differ from the live one is not touched.
  - A pod template with the annotation C(hustlex.app/restart-on), for example V(configmap/hustlex-config
    secret/hustlex-secrets), gets the annotation C(hustlex.app/config-checksum), a hash of the data of these
    objects, so that a change of them restarts the pods.
  - A Secret or ConfigMap with the annotation C(hustlex.app/keep-data=true) keeps every value that exists on the
    cluster; only keys that are missing there are added. This is for passwords that were generated once and for
    recorded facts.
  - Templates find the live data of the ConfigMaps of the set that keep it in the variable C(recorded), by name and key; it is
    empty without a cluster.
options:
  name:
    description: Name of the set, usually that of the role.
    type: str
    required: true
  templates:
    description:
      - Globs below the nearest C(templates) folder (that of the role). Rendered as M(ansible.builtin.template)
        does.
      - Exactly one of O(templates) and O(manifests) is needed.
    type: list
    elements: str
  manifests:
    description: The objects themselves.
    type: list
    elements: dict
  prune:
    description: Remove objects of the set that are no longer in it.
    type: bool
    default: true
  check_capacity:
    description:
      - When workloads change, look first whether their pods can fit on any node at all, and fail if not (warn
        in check mode). Without the right to list nodes this is skipped.
    type: bool
    default: true
  render_dir:
    description:
      - Write the set as C(<render_dir>/<name>/<kind>-<object>.yaml) instead of applying it; no cluster is
        contacted. Values of Secrets are masked. Files of the set that left it are removed.
    type: path
    default: ''
  render_changes:
    description: Whether files that O(render_dir) writes count as a change; not so for a folder that is thrown away.
    type: bool
    default: true
attributes:
  check_mode:
    description:
      - Asks the API server for a dry run of every request, so that defaults, validation and admission take
        part.
      - A namespace that does not exist yet, or a kubeconfig that does not exist yet, means that everything
        would be created.
    support: full
  diff_mode:
    description: One entry for each object that changes. Values of Secrets are hidden, those that change are marked.
    support: full
  idempotent:
    description: A second run with the same manifests changes nothing.
    support: full
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - hustlex.platform.kubernetes
seealso:
  - module: hustlex.platform.rollout
  - module: hustlex.platform.status
"""

EXAMPLES = r"""
- name: Apply the Postgres manifests
  hustlex.platform.apply:
    name: postgres
    templates: ["*.yaml.j2"]

- name: Apply one object
  hustlex.platform.apply:
    name: greeting
    namespace: hustlex
    manifests:
      - apiVersion: v1
        kind: ConfigMap
        metadata: {name: greeting}
        data: {TEXT: hello}

- name: Write the manifests without a cluster
  hustlex.platform.apply:
    name: postgres
    templates: ["*.yaml.j2"]
    render_dir: build/staging
"""

RETURN = r"""
objects:
  description: Every object of the set and every object that left it, with what was (in check mode, would be) done.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the object.
      type: str
      sample: StatefulSet
    name:
      description: Name of the object.
      type: str
      sample: postgres
    action:
      description:
        - V(created), V(configured), V(unchanged), V(recreated) (a Job that had failed), V(pruned), V(orphaned), or V(rendered)
          with O(render_dir).
      type: str
      sample: unchanged
created:
  description: How many objects were created.
  returned: without O(render_dir)
  type: int
  sample: 0
configured:
  description: How many objects were changed.
  returned: without O(render_dir)
  type: int
  sample: 1
pruned:
  description: How many objects were removed because they left the set.
  returned: without O(render_dir)
  type: int
  sample: 0
orphaned:
  description: Objects that left the set and hold data, so that they were not removed.
  returned: without O(render_dir)
  type: list
  elements: str
  sample: ["StatefulSet postgres-replica"]
files:
  description: Files that were written or removed.
  returned: with O(render_dir)
  type: list
  elements: str
  sample: [build/staging/postgres/service-postgres.yaml]
"""
