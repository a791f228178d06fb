"""``python -m parcae_specs.explorer``: explore the slices; ``--deep``: for an hour, on paper."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from parcae_specs.explorer.crowds.liveness import liveness_of as liveness_of_many
from parcae_specs.explorer.crowds.report import bound as bound_of_many
from parcae_specs.explorer.crowds.search import explore as explore_many
from parcae_specs.explorer.crowds.slices import DEEP as DEEP_CROWDS
from parcae_specs.explorer.crowds.slices import LIVELY as LIVELY_CROWDS
from parcae_specs.explorer.crowds.slices import SLICES as CROWDS
from parcae_specs.explorer.outgoing.model import Outgoing
from parcae_specs.explorer.outgoing.report import bound as bound_of_webhooks
from parcae_specs.explorer.outgoing.search import LIMIT as WEBHOOKS
from parcae_specs.explorer.outgoing.search import explore as explore_webhooks
from parcae_specs.explorer.outgoing.slices import DEEP as DEEP_OUTGOING
from parcae_specs.explorer.outgoing.slices import SLICES as OUTGOING
from parcae_specs.explorer.report import bound, bytes_per_state
from parcae_specs.explorer.search import explore
from parcae_specs.explorer.slices import DEEP, LIVELY, SLICES
from parcae_specs.explorer.toll import Toll, liveness_of

HEAD = """# Explored

Written by `{command}`. The kernel that runs in production, walked world by world; each slice ends
where its bound says. A violation of any guarantee ends the run and prints its schedule.

| slice | worlds | steps | deep | whole | processor seconds | worlds a second | bytes a world |
|---|---|---|---|---|---|---|---|
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Explore what is asked for; 1: something is wrong."""
    asked = _parser().parse_args(arguments)
    every = [
        *(DEEP if asked.deep else SLICES),
        *(DEEP_CROWDS if asked.deep else CROWDS),
        *(DEEP_OUTGOING if asked.deep else OUTGOING),
    ]
    unknown = set(asked.slices) - set(every)
    if unknown:
        sys.stderr.write(f"there is no slice {', '.join(sorted(unknown))}; there are: {every}\n")
        return 2
    tolls = _explored(asked.slices or every, asked.deep, asked.limit, asked.cores)
    for toll in tolls:
        sys.stdout.write(toll.text)
    good = all(toll.good for toll in tolls)
    lively = [] if asked.slices else _lively()
    for line in lively:
        sys.stdout.write(f"{line}\n")
    if asked.write is not None:
        asked_for = "".join(f" {name}" for name in asked.slices) + " --deep" * asked.deep
        if asked.limit is not None:
            asked_for += f" --limit {asked.limit}"
        _write(asked.write, tolls, lively, asked_for)
    return 0 if good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m parcae_specs.explorer", description=__doc__)
    parser.add_argument("slices", nargs="*", help="only these")
    parser.add_argument("--deep", action="store_true", help="the large slices (an hour)")
    parser.add_argument("--limit", type=int, default=None, help="worlds for each slice")
    parser.add_argument("--cores", type=int, default=1, help="how many slices at once")
    parser.add_argument("--write", type=Path, default=None, help="a page to write")
    return parser


def _lively() -> list[str]:
    alone = [liveness_of(model) for model in LIVELY.values()]
    return [*alone, *(liveness_of_many(model) for model in LIVELY_CROWDS.values())]


def _explored(names: Sequence[str], deep: bool, limit: int | None, cores: int) -> list[Toll]:
    every = len(names)
    if cores == 1:
        return [_one(name, deep, limit) for name in names]
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        return list(pool.map(_one, names, [deep] * every, [limit] * every))


def _one(name: str, deep: bool, limit: int | None) -> Toll:
    """Explore one slice; what comes back has no functions in it, so it can cross processes."""
    if name in DEEP_CROWDS:
        return _of_many(name, limit)
    if name in OUTGOING:
        return _of_webhooks((DEEP_OUTGOING if deep else OUTGOING)[name], limit)
    found = explore((DEEP if deep else SLICES)[name], limit)
    return Toll(
        name=name,
        text=bound(found),
        worlds=found.states,
        steps=found.transitions,
        depth=found.depth,
        whole=found.whole,
        seconds=found.seconds,
        size=bytes_per_state(found),
        good=found.violation is None,
    )


def _of_many(name: str, limit: int | None) -> Toll:
    many = explore_many(DEEP_CROWDS[name], limit)
    return Toll(
        name=name,
        text=bound_of_many(many),
        worlds=many.states,
        steps=many.steps,
        depth=many.depth,
        whole=many.whole,
        seconds=many.seconds,
        good=many.violation is None,
    )


def _of_webhooks(model: Outgoing, limit: int | None) -> Toll:
    found = explore_webhooks(model, WEBHOOKS if limit is None else limit)
    return Toll(
        name=model.name,
        text=bound_of_webhooks(found),
        worlds=found.states,
        steps=found.steps,
        depth=found.depth,
        whole=found.whole,
        seconds=found.seconds,
        good=found.violation is None,
    )


def _write(path: Path, tolls: Sequence[Toll], lively: Sequence[str], asked: str) -> None:
    command = f"python -m parcae_specs.explorer{asked}"
    text = HEAD.format(command=f"{command} --write specs/explored.md")
    text += "".join(toll.row() for toll in tolls)
    total = sum(toll.worlds for toll in tolls)
    text += f"\n{total:,} worlds in all.\n\n## Liveness\n\n"
    text += "".join(f"- {line}\n" for line in lively)
    text += "\n## Bounds\n\n```\n" + "\n".join(toll.text for toll in tolls) + "```\n"
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
