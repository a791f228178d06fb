"""The engine's side of the inbox: jobs that host applications have committed are admitted.

Every transaction of a store does so before its own rule, so nobody sees a file in which a job is
committed and not there. A row that cannot be admitted is set aside with its error, for a person.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence

from parcae.admit import admit
from parcae.change import Change, Revision, View
from parcae.codec import decode_spec
from parcae.errors import Corrupt
from parcae.ledger import Ledger
from parcae.ports import Committed, Named, Rule, Selection
from parcae.values import JobId, blob, cut
from parcae_adapters.sqlite.tables import Tables

AT_ONCE = 100
"""So many rows a transaction, so that nobody waits long for it."""

LONGEST = 2_000
"""Characters of an error that are kept."""

ARRIVED = """
    SELECT id, spec, payload FROM parcae_inbox INDEXED BY parcae_arrivals
    WHERE error IS NULL ORDER BY rowid LIMIT ?"""
ARRIVED_ONE = "SELECT id, spec, payload FROM parcae_inbox WHERE error IS NULL AND id = ?"
ADMITTED = "DELETE FROM parcae_inbox WHERE id = ?"
SET_ASIDE = "UPDATE parcae_inbox SET error = ? WHERE id = ?"

Run = Callable[[Selection, Rule], Committed]
Arrival = tuple[JobId, bytes, bytes]
"""A job's id, its spec and its payload."""

_log = logging.getLogger(__name__)


class Arrivals:
    """Rows of the inbox, on their way to become jobs.

    Attributes:
        expected: there may be some.
    """

    def __init__(self, tables: Tables, run: Run) -> None:
        """For the inbox beside ``tables``; ``run`` runs a rule and stages what it gives."""
        self._tables = tables
        self._run = run
        self.expected = True

    def admit(self) -> None:
        """Admit those that came first."""
        rows = self._tables.connection.execute(ARRIVED, (AT_ONCE,)).fetchall()
        self.expected = len(rows) == AT_ONCE
        self._admit(rows)

    def admit_these(self, wanted: Named) -> None:
        """Admit those that ``wanted`` names, or that its keys belong to."""
        keys = self._tables.keys(wanted.keys).values()
        names = dict.fromkeys((*wanted.ids, *(row.job_id for row in keys)))
        find = self._tables.connection.execute
        self._admit([row for one in names for row in find(ARRIVED_ONE, (one,)).fetchall()])

    def _admit(self, rows: Sequence[Arrival]) -> None:
        if not rows:
            return
        self._tables.flush()
        try:
            self._within(rows)
        except sqlite3.IntegrityError as error:
            # One of them is such that the tables themselves refuse it: each by itself, then.
            if len(rows) == 1:
                self._set_aside(rows[0][0], error)
                return
            for row in rows:
                self._admit([row])

    def _within(self, rows: Sequence[Arrival]) -> None:
        """All or none of ``rows``, whatever the tables say, and the rest of the transaction on."""
        connection, tables = self._tables.connection, self._tables
        connection.execute("SAVEPOINT parcae_inbox")
        try:
            for row in rows:
                self._one(row)
            tables.flush()
        except BaseException:
            tables.restart()
            if connection.in_transaction:
                connection.execute("ROLLBACK TO parcae_inbox")
                connection.execute("RELEASE parcae_inbox")
            raise
        connection.execute("RELEASE parcae_inbox")

    def _one(self, row: Arrival) -> None:
        job_id, spec, payload = row
        try:
            self._run(*_asked(job_id, spec, payload))
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, others must not wait
            self._set_aside(job_id, error)
        else:
            self._tables.connection.execute(ADMITTED, (job_id,))
            self._tables.wrote = True

    def _set_aside(self, job_id: JobId, error: Exception) -> None:
        why = cut(f"{type(error).__name__}: {error}", LONGEST)
        self._tables.connection.execute(SET_ASIDE, (why, job_id))
        self._tables.wrote = True
        _log.error("job %s from the inbox cannot be admitted and is set aside: %s", job_id, why)


def _asked(job_id: JobId, data: bytes, payload: bytes) -> tuple[Selection, Rule]:
    """What is to be loaded, and what is to be done, to admit the job of a row."""
    spec = decode_spec(data, job_id=job_id)
    if spec.payload != blob(spec.payload.name, payload):
        raise Corrupt("the payload is not the one that was submitted", job_id=job_id)
    parents = tuple(one.parent for one in spec.dependencies)

    def rule(view: View) -> Sequence[Change | Revision]:
        ledger = Ledger(view)
        admit(ledger, job_id, spec, payload, handed_in=True)
        return ledger.settle()

    wanted = Named(ids=(job_id, *parents), queues=(spec.lane.queue,))
    return wanted, rule
