"""What a rule would be shown, read without the lock that writers share."""

from __future__ import annotations

from parcae.change import View
from parcae.ports import Clock, Entropy, Named, Overdue
from parcae_adapters.sqlite.queries import Queries
from parcae_adapters.sqlite.tables import Tables
from parcae_adapters.sqlite.views import Views


def look(queries: Queries, clock: Clock, entropy: Entropy, selection: Named | Overdue) -> View:
    """What ``selection`` names, all of one instant."""
    connection = queries.connection
    connection.execute("BEGIN")
    try:
        tables = Tables(connection)
        tables.changed()
        tables.begin()
        return Views(tables, clock, entropy).view(selection)
    finally:
        connection.execute("ROLLBACK")
