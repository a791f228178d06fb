"""The whole demo in one call: a folder in, a summary out."""

from __future__ import annotations

import time
from pathlib import Path

from attrs import evolve, frozen

from parcae import Engine
from parcae_adapters.demo.crew import Crew
from parcae_adapters.demo.files import OF_OTHERS, Found, discover, standard_library
from parcae_adapters.demo.play import Cast, Said, Watch, play
from parcae_adapters.demo.report import Summary, sum_up


class Taken(Exception):
    """There is a demo in that folder already."""


@frozen
class Stage:
    """Where a demo takes place.

    Attributes:
        into: the folder that everything goes to.
    """

    into: Path

    @property
    def database(self) -> Path:
        """The jobs."""
        return self.into / "jobs.db"

    @property
    def archive(self) -> Path:
        """What they made."""
        return self.into / "archive"


def look(folder: Path | None, limit: int, stage: Stage) -> Found:
    """The files to archive: of ``folder``, or of the standard library.

    Raises:
        Taken: the stage is not empty.
    """
    if stage.database.exists():
        raise Taken(f"{stage.into} holds a demo already")
    stage.into.mkdir(parents=True, exist_ok=True)
    if folder is None:
        return discover(standard_library(), limit, without=stage.into, skipped=OF_OTHERS)
    return discover(folder, limit, without=stage.into)


async def perform(found: Found, stage: Stage, watch: Watch) -> Summary:
    """Archive the files, with two workers and some trouble, and check what came of it.

    Raises:
        CrewFailed: no worker can work here.
    """
    # The driver is loaded only where it is needed.
    from parcae_adapters.sqlite import SqliteStore

    began = time.monotonic()
    store = SqliteStore(stage.database)
    try:
        engine = Engine(store)
        cast: Cast = {}
        if found.files:
            with Crew(stage.into, stage.database) as crew:
                cast = await play(engine, crew, found.files, stage.archive, watch)
            watch(Said("all have ended; everything is checked once more"))
        summary = await sum_up(engine, cast, stage.archive)
    finally:
        await store.close()
    return evolve(summary, files=len(found.files), seconds=time.monotonic() - began)
