"""Makes the checkout importable as ansible_collections.hustlex.platform, as Ansible itself does."""

from pathlib import Path

import ansible
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

_CHECKOUT = Path(__file__).parents[1] / ".collections"
_BUNDLED = Path(ansible.__file__).parents[1]

_AnsibleCollectionFinder(paths=[str(_CHECKOUT), str(_BUNDLED)])._install()
