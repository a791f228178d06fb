"""The one thread that writes: it gathers concurrent transactions into one commit."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from parcae.errors import ParcaeError, Unavailable
from parcae.ports import Clock, Committed, Entropy, Rule, Selection
from parcae.values import JobId
from parcae_adapters.sqlite.answers import Outcome, Waiting, deliver
from parcae_adapters.sqlite.connect import File
from parcae_adapters.sqlite.errors import FAULTS, code, translated
from parcae_adapters.sqlite.session import Session
from parcae_adapters.sqlite.turnstile import Turnstile

T = TypeVar("T")

LARGEST_GROUP = 512
"""Transactions in one commit, at the most."""

POLL = 0.03
"""Seconds between two looks for commits of other processes while there is nothing to do."""

GATHERING = 0.002
"""Seconds that a group may wait for more, at the most, where more came lately."""

LESS_EXPECTED = 0.7
"""By this factor, from group to group, if fewer and fewer come."""

GLANCE = 0.000_2
"""Seconds between two looks whether more have come."""


Notify = Callable[[Collection[JobId] | None], None]
"""Is told of a commit: which jobs it ended, or ``None`` where nobody knows."""


Task = Callable[[Session], Any]
"""What is done in a transaction; may be done more than once."""

Request = tuple[Task, Waiting]
"""A task whose outcome somebody waits for."""


class Down(Exception):
    """Nobody of the group can be served, and trying singly is of no use."""

    def __init__(self, error: ParcaeError) -> None:
        super().__init__(error)
        self.error = error


class Writer:
    """Owns the connection that writes, in a thread of its own."""

    def __init__(self, file: File, clock: Clock, entropy: Entropy, notify: Notify):
        """Open ``file`` and start.

        Raises:
            Unusable: the file can be no store.
            Unavailable: not at the moment.
            Corrupt: it is damaged.
        """
        self._file, self._clock, self._entropy, self._notify = file, clock, entropy, notify
        self._turnstile = Turnstile(file.path, file.busy_timeout)
        self._queue: SimpleQueue[Request | None] = SimpleQueue()
        self._door = threading.Lock()
        self._closed = self._stopping = False
        self._expected = 1.0
        self._connection: sqlite3.Connection | None = None
        try:
            with self._turnstile.turn():
                self._connect()
        except BaseException:
            self._turnstile.close()
            raise
        self._thread = threading.Thread(target=self._work, name="parcae-writer", daemon=True)
        self._thread.start()

    def put(self, selection: Selection, rule: Rule) -> asyncio.Future[Committed]:
        """Have it done; the answer comes into the running event loop.

        Raises:
            Unavailable: the store was closed.
        """
        return self.do(lambda session: session.run(selection, rule))

    def do(self, task: Callable[[Session], T]) -> asyncio.Future[T]:
        """Have any other task done in a transaction, together with those that come at once.

        Raises:
            Unavailable: the store was closed.
        """
        waiting: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._door:
            if self._closed:
                raise Unavailable(f"{self._file.path}: the store is closed")
            self._queue.put((task, waiting))
        return waiting

    def stop(self) -> None:
        """Finish what was put so far, then let go; a second call does nothing."""
        with self._door:
            if not self._closed:
                self._closed = True
                self._queue.put(None)

    def join(self) -> None:
        """Wait until it has let go."""
        self._thread.join()

    def _work(self) -> None:
        while not self._stopping:
            group = self._gather()
            if group:
                self._expected = max(len(group), self._expected * LESS_EXPECTED)
                deliver(self._serve(group))
            else:
                self._look_around()
        self._turnstile.close()
        self._disconnect()

    def _gather(self) -> list[Request]:
        group: list[Request] = []
        try:
            self._add(group, self._queue.get(timeout=POLL))
        except Empty:
            return group
        self._drain(group)
        # Callers that were answered together come back together: a moment is given to the rest of
        # them, until as many are there as lately. One that is alone never waits.
        deadline = time.monotonic() + GATHERING
        while len(group) < self._expected - 1 and not self._stopping:
            before = len(group)
            time.sleep(GLANCE)
            self._drain(group)
            if len(group) == before or time.monotonic() >= deadline:
                break
        return group

    def _drain(self, group: list[Request]) -> None:
        for _ in range(min(self._queue.qsize(), LARGEST_GROUP - len(group))):
            self._add(group, self._queue.get_nowait())

    def _add(self, group: list[Request], request: Request | None) -> None:
        if request is None:
            self._stopping = True
        else:
            group.append(request)

    def _look_around(self) -> None:
        """Whether another process has committed."""
        # Whatever is the matter, whoever transacts next is told.
        with contextlib.suppress(ParcaeError):
            try:
                _, session = self._connect()
                if session.changed():
                    self._notify(None)
            except FAULTS:
                self._disconnect()

    def _serve(self, group: Sequence[Request]) -> list[Outcome]:
        """The outcome of each: in one commit if SQLite takes it, else each in its own."""
        try:
            return self._commit(group)
        except Down as down:
            return [(waiting, None, down.error) for _, waiting in group]
        except Exception as error:  # noqa: BLE001 - whatever went wrong is for its caller to know
            if len(group) > 1:
                return [self._serve([request])[0] for request in group]
            if isinstance(error, FAULTS):
                error = translated(error, self._file.path)
            return [(group[0][1], None, error)]

    def _commit(self, group: Sequence[Request]) -> list[Outcome]:
        with self._turnstile.turn():
            connection, session = self._begin()
            try:
                others = session.begin()
                outcomes = [self._run(session, request) for request in group]
                session.flush()
            except BaseException as error:
                self._roll_back(connection, session, error)
                raise
            self._end(connection, session)
        if session.wrote or others:
            self._notify(None if others else session.announced)
        return outcomes

    def _begin(self) -> tuple[sqlite3.Connection, Session]:
        try:
            connection, session = self._connect()
            connection.execute("BEGIN IMMEDIATE")
        except FAULTS as error:
            if code(error) != sqlite3.SQLITE_BUSY:
                self._disconnect()
            raise Down(translated(error, self._file.path)) from error
        except ParcaeError as error:
            raise Down(error) from error
        return connection, session

    def _end(self, connection: sqlite3.Connection, session: Session) -> None:
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back(connection, session, error)
            if code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY):
                raise
            self._disconnect()
            message = f"{self._file.path}: {error}; whether it was committed is unknown: repeat it"
            raise Down(Unavailable(message)) from error

    def _roll_back(
        self, connection: sqlite3.Connection, session: Session, error: BaseException
    ) -> None:
        session.forget()
        try:
            # After a full disk or a failed read the transaction is often gone already.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._disconnect()
        if code(error) == sqlite3.SQLITE_IOERR:
            self._disconnect()

    def _connect(self) -> tuple[sqlite3.Connection, Session]:
        if self._connection is None:
            self._connection = self._file.writer()
            self._session = Session(self._connection, self._clock, self._entropy)
        return self._connection, self._session

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _run(self, session: Session, request: Request) -> Outcome:
        task, waiting = request
        try:
            return waiting, task(session), None
        except sqlite3.Error:
            raise
        except BaseException as error:  # noqa: BLE001 - a rule may raise anything, at its caller
            return waiting, None, error
