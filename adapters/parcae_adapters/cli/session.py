"""What all verbs share: the database, the form of the output, and the engine on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from pathlib import Path

import click
from attrs import define

from parcae import Engine, JobId, Query
from parcae.errors import ParcaeError
from parcae_adapters.cli.codes import Exit

DEFAULT = "jobs.db"


class Form(StrEnum):
    """How data is written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


class NotFound(click.ClickException):
    """There is nothing of that name."""

    exit_code = Exit.NOT_FOUND


class Refused(click.ClickException):
    """It cannot be done as things stand."""

    exit_code = Exit.CONFLICT


ADVICE: Mapping[Exit, str] = {
    Exit.NOT_FOUND: "; see: parcae list",
    Exit.CONFLICT: "; see: parcae show JOB",
    Exit.TIMED_OUT: "; see: parcae show JOB",
}


@define
class Session:
    """One call of the command line.

    Attributes:
        db: the database file.
        form: of the output.
        debug: whether a traceback is wanted.
    """

    db: str = DEFAULT
    form: Form = Form.TABLE
    debug: bool = False

    @property
    def json(self) -> bool:
        """Whether a program reads the output."""
        return self.form is not Form.TABLE

    def advice(self, code: Exit) -> str:
        """What to do next, where that is known."""
        return ADVICE.get(code, "")

    @property
    def exists(self) -> bool:
        """Whether the database is there."""
        return Path(self.db).exists()

    @asynccontextmanager
    async def engine(self, *, create: bool = False) -> AsyncIterator[Engine]:
        """The engine on the database.

        Args:
            create: make the database if it is not there; whoever only looks must not.

        Raises:
            NotFound: there is no such file.
        """
        if not create and not self.exists:
            raise NotFound(
                f"there is no database {self.db!r}; name one with --db or PARCAE_DB, "
                "or submit a job first"
            )
        # The driver is loaded only where it is needed.
        from parcae_adapters.sqlite import SqliteStore

        store = SqliteStore(self.db, create=create)
        try:
            yield Engine(store)
        finally:
            await store.close()


SHORTEST = 4
"""Characters of an id that are enough to look for it."""


async def job_named(engine: Engine, name: str) -> JobId:
    """The id of the job called ``name``: its id, or as much of its beginning as no other has.

    Raises:
        NotFound: there is none.
        Refused: there are several.
    """
    if await engine.stored(JobId(name)) is not None:
        return JobId(name)
    name = name.lower()
    found = [] if len(name) < SHORTEST else await _beginning_with(engine, name)
    if not found:
        # A host may have handed it in: then it is admitted by the next transaction of ours.
        with suppress(ParcaeError):
            return (await engine.show(JobId(name))).id
        raise NotFound(f"there is no job {name!r}; see: parcae list")
    if len(found) > 1:
        raise Refused(f"{name!r} could be {found[0]} or {found[1]}; give more of the id")
    return found[0]


async def _beginning_with(engine: Engine, prefix: str) -> list[JobId]:
    """The newest two jobs whose ids begin so. Pages come newest id first, so that this ends."""
    found: list[JobId] = []
    cursor = ""
    while len(found) < 2:
        page = await engine.find(Query(limit=1_000, cursor=cursor))
        ids = [stored.job.id for stored in page.jobs]
        found += [job_id for job_id in ids if job_id.startswith(prefix)]
        cursor = page.cursor
        if not cursor or ids[-1] < prefix:
            break
    return found
