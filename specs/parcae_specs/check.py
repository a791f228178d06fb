"""``parcae check app:jobs``: an application's own sagas, walked world by world.

Found by the command line through the entry point group ``parcae.commands``.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from parcae.definitions import Jobs
from parcae.values import TERMINAL, Status
from parcae_specs.explorer.render import mermaid, pytest_file, timeline, to_json
from parcae_specs.explorer.report import bound
from parcae_specs.explorer.schedule import Schedule, schedule
from parcae_specs.explorer.search import Found
from parcae_specs.explorer.users import STATES, Property, Verdict, examine

FORMS = {"timeline": timeline, "json": to_json, "mermaid": mermaid, "pytest": pytest_file}


@click.command(name="check")
@click.argument("jobs", metavar="MODULE:JOBS")
@click.option("--kind", "kinds", multiple=True, help="Only this definition; may be repeated.")
@click.option(
    "--property",
    "properties",
    multiple=True,
    metavar="MODULE:FUNCTION",
    help="Has to hold of every job in every state; may be repeated.",
)
@click.option(
    "--never",
    multiple=True,
    type=click.Choice(sorted(status.value for status in TERMINAL)),
    help="No job may end so; may be repeated.",
)
@click.option("--limit", default=STATES, show_default=True, help="Worlds for each exploration.")
@click.option("--form", default="timeline", type=click.Choice(sorted(FORMS)), help="Of schedules.")
@click.option("--bound", "bounds", is_flag=True, help="Say in full what was explored.")
def command(
    jobs: str,
    kinds: tuple[str, ...],
    properties: tuple[str, ...],
    never: tuple[str, ...],
    limit: int,
    form: str,
    bounds: bool,
) -> int:
    """Prove that every job ends and all is undone, or print the schedule that breaks it.

    Handlers are not run: each may succeed, raise, hang or die at any point. Exits with 8 where
    something is wrong.
    """
    statuses = [Status(status) for status in never]
    own = {name: _property(name) for name in properties}
    good = True
    for verdict in examine(_jobs(jobs), kinds, own, statuses, limit):
        good = good and verdict.good
        for line in _lines(verdict, form, bounds=bounds):
            click.echo(line)
    return 0 if good else 8


def _lines(verdict: Verdict, form: str, *, bounds: bool) -> Iterator[str]:
    ends = ", ".join(sorted(verdict.ends))
    state = "good" if verdict.good else "WRONG"
    yield f"{verdict.kind}: {state}; {verdict.worlds:,} worlds; it may end {ends}"
    if verdict.good:
        yield "  every job ends, and everything that needs undoing is undone or owed by name"
    for cut in verdict.cut:
        yield f"  made smaller: {cut}"
    for found in verdict.found:
        if bounds:
            yield bound(found).rstrip()
        yield from _wrong(found, form)
    for trouble in verdict.endless:
        yield f"  {trouble}: there is a loop in which the job never ends"


def _wrong(found: Found, form: str) -> Iterator[str]:
    if found.violation is not None:
        broken = schedule(found)
        yield f"  {found.model.name}: {_said(broken)}"
        yield FORMS[form](broken).rstrip()
    elif not found.whole:
        yield f"  {found.model.name}: not all worlds were walked; raise --limit"


def _said(broken: Schedule) -> str:
    return f"{broken.guarantee} {broken.message}"


def _jobs(target: str) -> Jobs:
    found = _imported(target)
    if not isinstance(found, Jobs):
        raise click.UsageError(f"{target!r} is not a parcae.Jobs but {type(found).__name__}.")
    return found


def _property(target: str) -> Property:
    found = _imported(target)
    if not callable(found):
        raise click.UsageError(f"{target!r} cannot be called with a job.")
    wanted: Property = found
    return wanted


def _imported(target: str) -> object:
    module, _, path = target.partition(":")
    if not module or not path:
        raise click.UsageError(f"{target!r} is not of the form module:name.")
    here = str(Path.cwd())
    if not sys.flags.safe_path and here not in sys.path and os.path.isdir(here):
        sys.path.insert(0, here)
    try:
        found: object = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise click.UsageError(f"{target!r} cannot be imported: {error}.") from error
    return found


def check(jobs: Jobs, **properties: Property) -> Mapping[str, Verdict]:
    """In a test: explore all definitions of ``jobs``; fails with the schedule of what is wrong.

    Args:
        jobs: the definitions.
        **properties: the application's own, by name.

    Raises:
        AssertionError: something is wrong; it says how it comes about.
    """
    verdicts = {one.kind: one for one in examine(jobs, properties=properties)}
    for verdict in verdicts.values():
        if not verdict.good:
            raise AssertionError("\n".join(_lines(verdict, "timeline", bounds=False)))
    return verdicts
