"""The command ``parcae``: its verbs, and what becomes of errors.

Other packages add verbs by the entry point group ``parcae.commands``.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

import click

from parcae.values import cut
from parcae_adapters.cli import missing
from parcae_adapters.cli.codes import Exit, of_error, table
from parcae_adapters.cli.options import common
from parcae_adapters.cli.output import clean, say
from parcae_adapters.cli.session import Session

GROUP = "parcae.commands"
VERBS: Mapping[str, str] = {
    "demo": "demo",
    "worker": "worker",
    "serve": "serve",
    "token": "token",
    "submit": "submit",
    "run": "run",
    "list": "listing",
    "show": "show",
    "why": "why",
    "wait": "wait",
    "cancel": "cancel",
    "retry": "retry",
    "quarantine": "quarantine",
    "queue": "queue",
    "group": "group",
    "schedule": "schedule",
    "webhook": "webhook",
    "dispatch": "dispatch",
    "seal": "seal",
    "unseal": "unseal",
    "validate": "validate",
    "deploy": "deploy",
    "retain": "retain",
    "hold": "hold",
    "release": "release",
    "fsck": "fsck",
    "db": "db",
    "reconcile": "reconcile",
    "doctor": "doctor",
    "workers": "workers",
    "watch": "watch",
    "metrics": "metrics",
    "export": "export",
    "import": "restore",
    "completion": "completion",
}
"""The module of each verb. Modules are loaded when their verb is used, or listed."""


class Parcae(click.Group):
    """A group that loads verbs late, and tells every error in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """The verbs, ours first."""
        return [*VERBS, *sorted({point.name for point in _plugins()} - VERBS.keys())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The verb of that name; ``None``: there is none."""
        found: Any = None
        if cmd_name in VERBS:
            module = importlib.import_module(f"parcae_adapters.cli.verbs.{VERBS[cmd_name]}")
            found = module.command
        else:
            found = next((one.load() for one in _plugins() if one.name == cmd_name), None)
        assert found is None or isinstance(found, click.Command)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; that its reader has seen enough is no error (to click it would be)."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            return _nobody_reads()

    def main(self, args: Sequence[str] | None = None, **options: Any) -> NoReturn:  # type: ignore[override]
        """Run, and exit with one of the documented codes."""
        session = Session()
        try:
            code = super().main(args, **{**options, "standalone_mode": False, "obj": session})
            sys.stdout.flush()
        except (KeyboardInterrupt, click.Abort):
            say("interrupted")
            code = Exit.INTERRUPTED
        except BrokenPipeError:
            code = _nobody_reads()
        except Exception as error:  # noqa: BLE001 - whatever it is, it becomes one line and a code
            code = _tell(error, session)
        sys.exit(code if isinstance(code, int) else Exit.OK)


@click.group(
    cls=Parcae,
    context_settings={"auto_envvar_prefix": "PARCAE", "help_option_names": ["-h", "--help"]},
    epilog=f"Exit codes: {table()}.",
)
@click.version_option(package_name="parcae", message="parcae %(version)s")
@common
def parcae() -> None:
    """Durable jobs: every admitted job ends exactly once.

    Data goes to standard output, everything else to standard error.
    """


LONGEST = 1_000
"""Characters of an error at the most: whoever hands in a megabyte wants no megabyte back."""


def _said(error: Exception) -> str:
    return cut(clean(str(error)), LONGEST)


def _plugins() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


def _tell(error: Exception, session: Session) -> Exit | int:
    """Say what went wrong and what to do, in one line; with ``--debug`` also where."""
    if session.debug:
        traceback.print_exception(error)
    match error:
        case click.exceptions.NoArgsIsHelpError():
            error.show()
            return error.exit_code
        case click.UsageError():
            path = error.ctx.command_path if error.ctx is not None else "parcae"
            say(f"{cut(error.format_message(), LONGEST)} Try: {path} --help")
            return error.exit_code
        case click.ClickException():
            say(cut(error.format_message(), LONGEST))
            return error.exit_code
        case ModuleNotFoundError():
            with suppress(ModuleNotFoundError):
                click.echo(missing(error), err=True)
                return Exit.INTERNAL
        case _:
            pass
    code = of_error(error)
    if code is Exit.INTERNAL:
        where = "" if session.debug else " (--debug shows where)"
        say(f"internal error: {type(error).__name__}: {_said(error)}{where}")
    else:
        say(f"{_said(error)}{session.advice(code)}")
    return code


def _nobody_reads() -> Exit:
    """Let the interpreter flush into nothing what is left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.OK
