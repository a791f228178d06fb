"""What an audience sees of the demo: progress while it plays, and the tale at its end."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from parcae import Status
from parcae_adapters.cli.output import clean, console, note, print_table, status_text
from parcae_adapters.demo.play import Said, Scene, Watch
from parcae_adapters.demo.report import Summary
from parcae_adapters.demo.stage import Stage
from parcae_adapters.demo.trouble import Trouble

HAPPENED = {
    Trouble.FAILS_AFTER_PACKING: "was made to fail after it was packed: its blob is gone again",
    Trouble.KILLS_ITS_WORKER: "killed every worker that took it: a person must look",
    Trouble.IS_CANCELLED: "was cancelled while its digest was taken",
    Trouble.LOSES_ITS_WORKER: "lost its worker while it was packed, and went on with another",
}

OTHERWISE = {
    Trouble.FAILS_AFTER_PACKING: "was to fail after it is packed, but something came first",
    Trouble.KILLS_ITS_WORKER: "was to kill its workers, but something came first",
    Trouble.IS_CANCELLED: "was to be cancelled, but something came first",
    Trouble.LOSES_ITS_WORKER: "was to lose its worker, but something came first",
}

FAILURES = 5
"""Failed jobs that are named; the others are counted."""


@contextmanager
def watching(total: int) -> Iterator[Watch]:
    """Whom the demo tells how it goes: a bar on a terminal, else a line for each incident."""
    screen = console(err=True)
    if not screen.is_terminal:
        began = time.monotonic()
        yield lambda seen: _say(seen, time.monotonic() - began)
        return
    columns = (
        BarColumn(30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=screen, transient=True) as progress:
        task = progress.add_task("", total=total)

        def watch(seen: Scene | Said) -> None:
            if isinstance(seen, Said):
                progress.print(Text(clean(seen.sentence), style="dim"))
            else:
                progress.update(task, completed=seen.ended, description=_alive(seen))

        yield watch


def _alive(scene: Scene) -> str:
    alive = (f"{n} {status}" for status, n in scene.counts.items() if not status.is_terminal)
    return " · ".join(sorted(alive))


def _say(seen: Scene | Said, after: float) -> None:
    if isinstance(seen, Said):
        note(f"{after:6.1f} s  {clean(seen.sentence)}")


def tell(summary: Summary, stage: Stage, *, left_out: int) -> None:
    """The end: how many ended how, what became of the troubled ones, and what to type next."""
    kept = summary.by_status[Status.COMPLETED]
    click.echo(f"\n{kept} of {summary.files} files are archived, in {summary.seconds:.1f} s.")
    if left_out:
        click.echo(f"Left out: {left_out} that are no regular files, or cannot be looked at.")
    if not summary.files:
        return
    _tell_counts(summary)
    _tell_story(summary)
    _tell_checks(summary)
    _tell_next(summary, stage)


def _tell_counts(summary: Summary) -> None:
    click.echo()
    print_table(
        ("STATUS", "JOBS"),
        ((status_text(status), str(number)) for status, number in summary.by_status.most_common()),
    )
    click.echo()
    rows = [
        (
            one.job.id,
            status_text(one.job.status),
            f"{Path(one.path).name} {_fate(summary, trouble)}",
        )
        for trouble, one in summary.troubled.items()
    ]
    rows += [
        (one.job.id, status_text(one.job.status), f"{Path(one.path).name}: {one.error}")
        for one in summary.failed[:FAILURES]
    ]
    print_table(("JOB", "STATUS", "WHAT WAS PLANNED FOR IT, OR WENT WRONG"), rows)
    if len(summary.failed) > FAILURES:
        click.echo(f"… and {len(summary.failed) - FAILURES} more that failed")


def _fate(summary: Summary, trouble: Trouble) -> str:
    if summary.came_about(trouble):
        return HAPPENED[trouble]
    return f"{OTHERWISE[trouble]}: {summary.troubled[trouble].error}"


def _tell_story(summary: Summary) -> None:
    if not summary.came_about(Trouble.LOSES_ITS_WORKER):
        return
    name = Path(summary.troubled[Trouble.LOSES_ITS_WORKER].path).name
    click.echo(f"\nThe lost lease: how {clean(name)} came through although its worker was killed\n")
    rows = ((f"+{told.after:.3f} s", told.sentence) for told in summary.story)
    print_table(("AFTER", "WHAT HAPPENED"), rows)


def _tell_checks(summary: Summary) -> None:
    fsck = summary.fsck
    click.echo(
        f"\n{summary.attempts} attempts, {summary.leases_lost} leases lost with killed workers."
        f"\n{summary.verified} blobs were unpacked once more, and are what was read."
        f"\n{fsck.jobs} histories of {fsck.events} events were folded again: "
        f"{'clean' if fsck.clean else 'NOT CLEAN'}."
    )
    for problem in (*fsck.findings, *summary.problems):
        click.secho(f"  {clean(problem)}", fg="red")


def _tell_next(summary: Summary, stage: Stage) -> None:
    parcae = _program()
    lines = [f"export PARCAE_DB={shlex.quote(str(stage.database))}", f"{parcae} list"]
    poison = summary.troubled.get(Trouble.KILLS_ITS_WORKER)
    spoiled = summary.troubled.get(Trouble.FAILS_AFTER_PACKING)
    if poison is not None:
        lines += [f"{parcae} list --status quarantined", f"{parcae} show {poison.job.id}"]
    if spoiled is not None:
        lines += [f"{parcae} show {spoiled.job.id}"]
    lines += [f"{parcae} fsck", f"ls -R {shlex.quote(str(stage.archive))}"]
    click.echo("\nWhat to type next:\n")
    for line in lines:
        click.echo(f"  {line}")


def _program() -> str:
    """How this command can be typed again."""
    called = Path(sys.argv[0])
    found = shutil.which("parcae")
    if found is not None and Path(found).resolve() == called.resolve():
        return "parcae"
    if called.name != "parcae":
        return f"{shlex.quote(sys.executable)} -m parcae_adapters.cli"
    return shlex.quote(os.path.relpath(called))
