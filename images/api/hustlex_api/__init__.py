"""The HustleX reference application: API, worker and migrations in one image (contract: docs/application.md)."""

from importlib.resources import files

VERSION = files(__name__).joinpath("VERSION").read_text().strip()
