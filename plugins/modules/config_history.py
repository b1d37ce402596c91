#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: config_history
short_description: Record rendered manifests in a Git repository
version_added: 0.2.0
author:
  - HustleX engineering (@hustlex)
description:
  - Brings one folder of a branch to hold exactly the given files, as one commit that is pushed. Without a change
    there is no commit.
  - A Secret whose values are not masked is refused before anything is written.
  - Authentication is that of the program git on the controller, which never asks.
options:
  repository:
    description:
      - URL of a Git repository, or a local path, which is made when it does not exist. The files of a local repository
        that is not bare follow the commit.
    type: str
    required: true
  branch:
    description: Branch to commit to; it is made when it does not exist.
    type: str
    default: main
  author_name:
    description: Name of the author of the commits.
    type: str
    default: HustleX
  author_email:
    description: Address of the author of the commits.
    type: str
    default: hustlex@localhost
  source:
    description: Folder with the files, as O(hustlex.platform.apply#module:render_dir) writes them.
    type: path
    required: true
  folder:
    description: Folder of the repository that they go to, such as the name of the environment.
    type: str
    required: true
  required:
    description: Whether a repository that cannot be reached is a failure. Otherwise it is a warning.
    type: bool
    default: true
attributes:
  check_mode:
    description: Shows which files would change by how many lines; commits nothing.
    support: full
  diff_mode:
    description: Shows the diff of the commit.
    support: full
  idempotent:
    description: Commits only what differs from the last commit.
    support: full
notes:
  - Runs in the controller's process, whatever the host of the play.
requirements:
  - git >= 2.28
seealso:
  - module: hustlex.platform.apply
"""

EXAMPLES = r"""
- name: Record the configuration
  hustlex.platform.config_history:
    repository: git@git.example.com:hustlex/configuration.git
    source: "{{ rendered.path }}"
    folder: "{{ hustlex_environment }}"
"""

RETURN = r"""
commit:
  description: The commit that was made and pushed; empty when nothing changed, and in check mode.
  returned: always
  type: str
  sample: 5aaae07c1f1b0c2d3e4f5a6b7c8d9e0f1a2b3c4d
stat:
  description: Which files changed by how many lines, as git tells it.
  returned: always
  type: list
  elements: str
"""
