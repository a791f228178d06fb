"""``parcae bench``: what a job costs here, beside a plain loop on the same disk.

Found by the command line through the entry point group ``parcae.commands``.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from parcae_specs.bench.smoke import Ratio, compare


@click.command(name="bench")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1, 100))
@click.option("--jobs", default=2_000, show_default=True, type=click.IntRange(100, 1_000_000))
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="On the disk that is to be measured; by default that of temporary files.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def command(rounds: int, jobs: int, folder: Path | None, as_json: bool) -> int:
    """Measure the store in turns with a plain sqlite3 loop that writes the same rows.

    What counts is the ratio: both commit at synchronous=FULL, in one run.
    """
    with tempfile.TemporaryDirectory(prefix="parcae-bench-", dir=folder) as place:
        alone, worker = compare(Path(place), rounds=rounds, count=jobs)
    found = {"use cases alone": alone, **({} if worker is None else {"with a worker": worker})}
    if as_json:
        click.echo(json.dumps({name: _plain(ratio) for name, ratio in found.items()}))
    else:
        for name, ratio in found.items():
            low, high = min(ratio.rounds), max(ratio.rounds)
            click.echo(
                f"{name}: {ratio.median:.2f} of the plain loop ({low:.2f} to {high:.2f}), "
                f"{max(ratio.ours):.0f} jobs a second at best"
            )
    return 0


def _plain(ratio: Ratio) -> dict[str, object]:
    rounds = [round(one, 4) for one in ratio.rounds]
    return {"median": round(ratio.median, 4), "rounds": rounds, "jobs_a_second": max(ratio.ours)}
