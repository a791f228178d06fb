"""What a client writes down before and after each call, so that a kill loses none of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from time import monotonic_ns
from typing import Any

from attrs import astuple

from parcae.change import Change, Revision, View
from parcae.errors import ParcaeError, Rejected, Superseded
from parcae.ports import Committed, Store
from parcae.values import JobId, Place, Position
from parcae_specs.linear.asks import Ask
from parcae_specs.linear.history import Ended, Intent, Operation, Run


class Journal:
    """One file of one process. Each line is written by one call, whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._name = path.name

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def write(self, *record: object) -> None:
        """Add a line."""
        os.write(self._file, json.dumps(record, separators=(",", ":")).encode() + b"\n")


class Client:
    """Asks a store, and keeps the journal. One call at a time."""

    def __init__(self, store: Store, journal: Journal, name: str) -> None:
        self.store = store
        self.number = 0
        self._journal = journal
        self._name = name

    async def ask(self, ask: Ask) -> Committed | ParcaeError:
        """Do it; a refusal is an answer, too."""
        name = self._call(ask)

        def rule(view: View) -> Sequence[Change | Revision]:
            shown = {job: stored.job.version for job, stored in view.jobs.items()}
            run = (name, monotonic_ns(), view.now.isoformat(), view.place, view.seed, shown)
            try:
                result = ask.rule(view)
            except ParcaeError:
                self._journal.write("run", *run, [])
                raise
            changes = (one for one in result if isinstance(one, Change))
            meant = [(one.job_id, one.before, len(one.events)) for one in changes if not one.idle]
            self._journal.write("run", *run, meant)
            return result

        try:
            done = await self.store.transact(ask.selection, rule)
        except (Rejected, Superseded) as refusal:
            self._journal.write("refused", name, monotonic_ns(), str(refusal.reason))
            return refusal
        except ParcaeError as error:
            # Whether it was done is unknown: no answer is written down.
            return error
        self._journal.write("done", name, monotonic_ns(), done.position)
        return done

    async def read(self, job: JobId) -> int:
        """The version of a job; 0: it is not there."""
        name = self._call(None)
        stored = await self.store.fetch(job)
        version = 0 if stored is None else int(stored.job.version)
        self._journal.write("read", name, monotonic_ns(), {job: version})
        return version

    def _call(self, ask: Ask | None) -> str:
        self.number += 1
        name = f"{self._name}-{self.number}"
        self._journal.write("call", name, monotonic_ns(), None if ask is None else astuple(ask))
        return name


def operations(folder: Path) -> Iterator[Operation]:
    """What the journals in a folder tell; a line that a kill cut off was never written."""
    for path in sorted(folder.glob("*.journal")):
        yield from _operations(path)


def _operations(path: Path) -> Iterator[Operation]:
    calls: dict[str, list[Any]] = {}
    runs: dict[str, Run] = {}
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            kind, name, *rest = json.loads(line)
            if kind == "call":
                calls[name] = rest
            elif kind == "run":
                runs[name] = _run(*rest)
            else:
                yield _operation(name, calls.pop(name), runs.pop(name, None), kind, *rest)
    for name, call in calls.items():
        yield _operation(name, call, runs.get(name))


def _run(
    at: int,
    now: str,
    place: int,
    seed: int,
    versions: Mapping[JobId, int],
    meant: Sequence[tuple[JobId, int, int]],
) -> Run:
    intents = tuple(Intent(*one) for one in meant)
    return Run(at, datetime.fromisoformat(now), Place(place), seed, versions, intents)


def _operation(
    name: str,
    call: Sequence[Any],
    run: Run | None,
    kind: str = "unknown",
    answered: int | None = None,
    said: Any = None,
) -> Operation:
    called, ask = call
    return Operation(
        name=name,
        ask=None if ask is None else Ask(*ask),
        called=called,
        answered=answered,
        ended=Ended(kind),
        run=run,
        position=Position(said) if kind == "done" else None,
        versions=said if kind == "read" else {},
    )
