"""Makes the checkout importable as ansible_collections.hustlex.platform, as Ansible itself does."""

from pathlib import Path

import ansible_collections
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

_CHECKOUT = Path(__file__).parents[1] / ".collections"
_BUNDLED = [str(Path(path).parent) for path in ansible_collections.__path__]

_AnsibleCollectionFinder(paths=[str(_CHECKOUT), *_BUNDLED])._install()
