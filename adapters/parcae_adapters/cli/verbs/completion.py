"""``parcae completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_PARCAE_COMPLETE"
"""Asks the command for completions, by click's own convention."""


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Write what makes SHELL complete verbs and options.

    \b
        bash:  eval "$(parcae completion bash)"                 in ~/.bashrc
        zsh:   eval "$(parcae completion zsh)"                  in ~/.zshrc
        fish:  parcae completion fish > ~/.config/fish/completions/parcae.fish
    """
    known = get_completion_class(shell)
    assert known is not None
    click.echo(known(ctx.find_root().command, {}, "parcae", VARIABLE).source())
