"""``python -m parcae_specs.explorer``: explore the slices; ``--deep``: for an hour, on paper."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from parcae_specs.explorer.model import Model
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
    models = dict(DEEP if asked.deep else SLICES)
    chosen = [models[name] for name in asked.slices or models]
    tolls = _explored(chosen, asked.limit, asked.cores)
    for toll in tolls:
        sys.stdout.write(toll.text)
    good = all(toll.good for toll in tolls)
    lively = [] if asked.slices else [liveness_of(model) for model in LIVELY.values()]
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


def _explored(models: Sequence[Model], limit: int | None, cores: int) -> list[Toll]:
    names = [model.name for model in models]
    deep = [model is DEEP.get(model.name) for model in models]
    limits = [limit] * len(models)
    if cores == 1:
        return [_one(*each) for each in zip(names, deep, limits, strict=True)]
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        return list(pool.map(_one, names, deep, limits))


def _one(name: str, deep: bool, limit: int | None) -> Toll:
    """Explore one slice; what comes back has no functions in it, so it can cross processes."""
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
