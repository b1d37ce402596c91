#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: bucket
short_description: Make the bucket of the backups and keep it safe
version_added: 0.2.0
author:
  - HustleX engineering (@hustlex)
description:
  - Makes the bucket where it is not there, and sets what differs. An option that is empty, V(0) or V(false) leaves that
    property of the bucket as it is.
  - Works with every server that speaks S3. Asked for a property that the server does not know, it says which option to
    turn off.
  - Statements of the bucket's policy and rules of its lifecycle that were set by others stay.
options:
  versioning:
    description: Whether what is deleted or overwritten is kept as an older version.
    type: bool
    default: true
  encryption:
    description: How the store encrypts what it keeps.
    type: str
    choices: ["", AES256, "aws:kms"]
    default: ""
  kms_key:
    description: ARN of the key for O(encryption=aws:kms); the account's default key where it is empty.
    type: str
    default: ""
  block_public_access:
    description: Whether nothing in the bucket can ever be public.
    type: bool
    default: true
  user:
    description:
      - Who makes the backups, as policies of the store name a user, on AWS an ARN. The policy lets this user list, read,
        write and delete objects, but delete no older version and change nothing of the bucket.
      - Empty where the rights are given elsewhere, as to a workload identity.
    type: str
    default: ""
  require_tls:
    description: Whether the policy refuses requests that are not encrypted on their way.
    type: bool
    default: true
  incomplete_upload_days:
    description: Days after which the store removes the parts of an upload that was never completed.
    type: int
    default: 0
  old_version_days:
    description: Days after which the store removes older versions, and so what was deleted.
    type: int
    default: 0
  lock_days:
    description: Days that Object Lock keeps each version from being deleted by anyone.
    type: int
    default: 0
  lock_mode:
    description: Whether someone with a right of its own may lift the lock (V(GOVERNANCE)) or nobody.
    type: str
    choices: [GOVERNANCE, COMPLIANCE]
    default: GOVERNANCE
  replicate_to:
    description: Bucket, or its ARN, in another region that every object is copied to. It must exist and be versioned.
    type: str
    default: ""
  replication_role:
    description: ARN of the role with which AWS copies.
    type: str
    default: ""
attributes:
  check_mode:
    description: Says what would be made or set; only that, while a file of O(store) is not there yet.
    support: full
  diff_mode:
    description: Shows what differs.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
notes:
  - Runs in the controller's process, whatever the host of the play.
extends_documentation_fragment:
  - hustlex.platform.store
seealso:
  - module: amazon.aws.s3_bucket
"""

EXAMPLES = r"""
- name: Make the bucket of the backups
  hustlex.platform.bucket:
    store:
      bucket: hustlex-backups
      region: af-south-1
    encryption: aws:kms
    incomplete_upload_days: 7
    old_version_days: 30
    replicate_to: hustlex-backups-copy
    replication_role: arn:aws:iam::123456789012:role/hustlex-backups-replication
"""

RETURN = r"""
created:
  description: Whether the bucket was made.
  returned: success
  type: bool
set:
  description: The properties that were set.
  returned: success
  type: list
  elements: str
  sample: [versioning, policy]
msg:
  description: What went wrong, in one sentence.
  returned: failure
  type: str
"""
