"""Runs rules over one connection.

Several transactions share one commit. Each sees what those before it did; their rows are written
together, as few of them as there are, when somebody has to look at the tables or the commit comes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from parcae.change import Revision, announced
from parcae.outbox import complete
from parcae.ports import Clock, Committed, Entropy, Named, Rule, Selection
from parcae.values import JobId, Position
from parcae_adapters.contract import check, split
from parcae_adapters.sqlite.arrivals import Arrivals
from parcae_adapters.sqlite.tables import Tables
from parcae_adapters.sqlite.views import Views

T = TypeVar("T")


class Session:
    """Runs rules inside a transaction that somebody else opens and ends.

    Since ``begin``: ``wrote``, whether anything was; ``announced``, the jobs whose end is news.
    """

    def __init__(self, connection: sqlite3.Connection, clock: Clock, entropy: Entropy) -> None:
        self._tables = Tables(connection)
        self._views = Views(self._tables, clock, entropy)
        self._arrivals = Arrivals(self._tables, self._admit)
        self.announced: set[JobId] = set()

    @property
    def wrote(self) -> bool:
        """Whether anything was written."""
        return self._tables.wrote

    def changed(self) -> bool:
        """Whether another connection has committed since the last look."""
        changed = self._tables.changed()
        if changed:
            self._arrivals.expected = True
        return changed

    def begin(self) -> bool:
        """The write lock has just been taken: whether others committed since it was let go."""
        changed = self.changed()
        self._tables.begin()
        self.announced = set()
        if self._arrivals.expected:
            self._arrivals.admit()
        return changed

    def forget(self) -> None:
        """The transaction was rolled back: nothing that was read or written under it counts."""
        self._tables.forget()
        self._arrivals.expected = True

    def run(self, selection: Selection, rule: Rule) -> Committed:
        """One transaction: its changes count for the next one, and are written by ``flush``."""
        if self._arrivals.expected and isinstance(selection, Named):
            # More came than one transaction admits, and these may be among the rest.
            self._arrivals.admit_these(selection)
        return self._admit(selection, rule)

    def beside(self, task: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with rows that no view shows: what was staged before it is there."""
        self.flush()
        return task(self._tables.connection)

    def _admit(self, selection: Selection, rule: Rule) -> Committed:
        view = self._views.view(selection)
        made = complete(view, tuple(rule(view)))
        changes, revisions = split(made)
        written = [change for change in changes if not change.idle]
        tables = self._tables
        tables.load(change.job_id for change in written if change.before)
        check((*written, *revisions), tables.stored, tables.reached)
        for one in made:
            if isinstance(one, Revision):
                tables.revise(one)
            elif not one.idle:
                tables.stage(one, view.now)
        self.announced |= announced((*written, *revisions))
        return Committed(changes=changes, position=Position(tables.head), revisions=revisions)

    def flush(self) -> None:
        """Write what has been staged."""
        self._tables.flush()
