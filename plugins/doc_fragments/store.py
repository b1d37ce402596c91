# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of the modules that reach the bucket of the backups themselves, without a cluster."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  store:
    description: The bucket with the backups, as this machine reaches it.
    type: dict
    required: true
    suboptions:
      bucket:
        description: Name of the bucket.
        type: str
        required: true
      endpoint:
        description: URL of an S3 server that is not AWS.
        type: str
        default: ""
      region:
        description: Region of the bucket; the one of the AWS configuration by default.
        type: str
        default: ""
      ca_file:
        description: Certificates that the server is checked against, if they are not those of the system.
        type: path
        default: ""
      path_style:
        description: Whether the bucket is part of the path, as servers without wildcard names want it.
        type: bool
        default: false
      credentials_file:
        description: AWS shared credentials file. By default the credentials are those of the AWS tools.
        type: path
        default: ""
      profile:
        description: Profile in that file.
        type: str
        default: ""
requirements:
  - python >= 3.11
  - boto3 >= 1.40
"""

    ARCHIVE = r"""
options:
  stanza:
    description: Name of the database in the repository of pgBackRest.
    type: str
    default: main
  wal_segment_bytes:
    description: Size of a WAL segment, as it was given to initdb.
    type: int
    default: 16777216
"""
