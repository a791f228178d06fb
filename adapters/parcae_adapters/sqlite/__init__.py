"""A store in one SQLite file. Importing it imports sqlite-utils: do so where it is needed."""

from __future__ import annotations

from parcae_adapters.sqlite.errors import Unusable
from parcae_adapters.sqlite.inbox import submit_within
from parcae_adapters.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "Unusable", "submit_within"]
