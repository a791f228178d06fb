"""``parcae demo``."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from parcae_adapters.cli.codes import Exit
from parcae_adapters.cli.options import option, verb
from parcae_adapters.cli.output import clean, note, write_json
from parcae_adapters.cli.playbill import tell, watching
from parcae_adapters.cli.session import Form, Refused, Session
from parcae_adapters.demo.crew import CrewFailed
from parcae_adapters.demo.stage import Stage, Taken, look, perform


@verb("demo", without=("db",))
@click.argument(
    "folder",
    metavar="[DIR]",
    required=False,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@option("--limit", type=click.IntRange(min=1), default=1_000, help="So many files at the most.")
@option(
    "--into",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the archive and the jobs go.  [default: a new temporary folder]",
)
async def command(session: Session, folder: Path | None, limit: int, into: Path | None) -> Exit:
    """Archive files while workers are killed.

    The files of DIR, by two workers, while much of what can go wrong does.

    Without DIR: this Python's standard library. Each file is one job: its digest is taken, it is
    packed into an archive, and the archive is compared with it. One worker is killed half-way; one
    job fails after packing, one kills its worker every time, one is cancelled. In the end every
    job has ended, once, and everything in the archive was checked again.
    """
    stage = Stage((into or Path(tempfile.mkdtemp(prefix="parcae-demo-"))).resolve())
    try:
        found = look(folder, limit, stage)
    except Taken as error:
        raise Refused(f"{error}; choose another folder, or remove it") from error
    where = str(folder) if folder is not None else "the standard library"
    first = "the first " * found.more
    note(f"{first}{len(found.files)} files of {clean(where)} go to {clean(str(stage.into))}")
    try:
        with _ended_by_sigterm(), watching(len(found.files)) as watch:
            summary = await perform(found, stage, watch)
    except CrewFailed as error:
        raise click.ClickException(clean(str(error))) from error
    if session.json:
        write_json(summary.document(), line=session.form is Form.JSONL)
    else:
        tell(summary, stage, left_out=found.left_out)
    return Exit.OK if summary.well else Exit.UNHEALTHY


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the demo like Ctrl-C: the workers go first."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    ended = False

    def end() -> None:
        nonlocal ended
        ended = True
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        yield
    except asyncio.CancelledError:
        if ended:
            raise KeyboardInterrupt from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
