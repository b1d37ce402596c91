#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: embedded_cluster
short_description: Build, start, stop or remove a Kubernetes cluster on the controller
version_added: 0.1.0
author:
  - HustleX engineering (@hustlex)
description:
  - Runs a real Kubernetes in network namespaces of this machine, for development and tests. It needs root and
    package registries (Debian, PyPI, the Go module proxy), no image registry and no container engine.
  - The first start compiles Kubernetes and makes images, which takes about ten minutes; everything made is kept in
    O(cache_dir). Progress is shown while it runs.
  - No namespace of the cluster has a default route; it is reached only at three ports of 127.0.0.1.
  - Runs on the controller, with the Python that runs Ansible.
options:
  name:
    description:
      - Name of the cluster and of the context in its kubeconfig, at most 20 lower case letters, digits and hyphens.
    type: str
    default: hustlex
  state:
    description:
      - V(started) builds what is missing, starts the cluster and waits until nodes, DNS, metrics and storage are
        ready. A running cluster that was started with other settings is restarted; its data stays.
      - V(stopped) ends all that runs and keeps the data.
      - V(absent) stops it and removes its data.
    type: str
    choices: [started, stopped, absent]
    default: started
  nodes:
    description: Number of nodes, 1 to 9. They are labelled with the zones zone-a, zone-b, zone-c in turn.
    type: int
    default: 1
  api_port:
    description: Port of the API server on 127.0.0.1.
    type: int
    default: 6443
  http_port:
    description: Port on 127.0.0.1 that leads to O(node_port) of the nodes.
    type: int
    default: 8080
  node_port:
    description: NodePort of the application's Service.
    type: int
    default: 30080
  s3_port:
    description:
      - Port on 127.0.0.1 of an S3 server that runs in the cluster, V(0) for none. Pods reach it at
        C(https://s3.embedded-s3.svc.cluster.local:7070).
      - Its authority and its users' credentials are in the folder C(s3) of the cluster's state.
    type: int
    default: 9000
  fsync:
    description: Whether the cluster's database writes to the disk before it answers; V(false) only for tests.
    type: bool
    default: true
  cache_dir:
    description: Folder of what can be made again; it can be removed when no cluster runs.
    type: path
    default: ~/.cache/hustlex-platform
  state_dir:
    description: Folder with a folder for each cluster, which holds its data and its kubeconfig.
    type: path
    default: ~/.local/state/hustlex-platform
  images_dir:
    description: Folder of the Containerfiles; that of the collection by default.
    type: path
attributes:
  check_mode:
    description: Says whether something would be done.
    support: full
  diff_mode:
    description: Has nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Start a cluster of three nodes
  hustlex.platform.embedded_cluster:
    name: hustlex
    nodes: 3

- name: Remove it with its data
  hustlex.platform.embedded_cluster:
    name: hustlex
    state: absent
"""

RETURN = r"""
kubeconfig:
  description: Path of the kubeconfig with the administrator's certificate.
  returned: success
  type: str
  sample: /home/me/.local/state/hustlex-platform/hustlex/kubeconfig
context:
  description: Context in it.
  returned: success
  type: str
  sample: hustlex
kubectl:
  description: Path of a kubectl of the cluster's version.
  returned: success
  type: str
  sample: /home/me/.local/state/hustlex-platform/hustlex/bin/kubectl
s3:
  description: Folder with C(ca.crt), C(admin-credentials) and C(credentials) of the S3 server.
  returned: success
  type: str
  sample: /home/me/.local/state/hustlex-platform/hustlex/s3
msg:
  description: What was done or, on failure, what went wrong in one sentence.
  returned: always
  type: str
"""
