"""The HustleX reference application: API, worker and migrations in one image (contract: docs/application.md)."""

import os

# The image sets it; a checkout has none.
VERSION = os.environ.get("APP_VERSION") or "0.0.0+dev"
