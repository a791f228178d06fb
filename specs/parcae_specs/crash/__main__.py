"""``python -m parcae_specs.crash``: crash everything; writes ``specs/crash-points.md``."""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from parcae_specs.crash import report, strace
from parcae_specs.crash.contents import Contents
from parcae_specs.crash.points import every, sample
from parcae_specs.crash.port import at_the_port
from parcae_specs.crash.power import Losses, lose
from parcae_specs.crash.script import CALLS, versions
from parcae_specs.crash.strace import READS, WRITES
from parcae_specs.crash.strikes import Struck, fail, kill, undisturbed
from parcae_specs.crash.troubles import Troubled, disk_full, storm, torn_tail
from parcae_specs.crash.victim import Durability

PAGE = Path("specs/crash-points.md")
EVERYWHERE = 10**9
LONGER = 300
"""Points at which a disk fails for longer, at the most."""


def main() -> int:
    """Crash, tell, and fail if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m parcae_specs.crash", description=__doc__)
    parser.add_argument("--port", type=int, default=10_000, help="points at the port (10,000)")
    parser.add_argument("--calls", type=int, default=50, help="system calls (50); 0: all of them")
    parser.add_argument("--images", type=int, default=300, help="images of each durability (300)")
    parser.add_argument("--seed", type=int, default=1, help="of what is chosen by chance (1)")
    parser.add_argument("--all", action="store_true", help="1,000,000, all of them, and 10,000")
    given = parser.parse_args()
    if given.all:
        given.port, given.calls, given.images = 1_000_000, 0, 10_000
    wrong: list[str] = []
    pages = [report.head(" ".join(["python -m parcae_specs.crash", *sys.argv[1:]]))]
    held = asyncio.run(versions())
    with tempfile.TemporaryDirectory(prefix="parcae-crash-") as folder:
        for page, faults in _parts(Path(folder), held, given):
            print(page, *faults[:20], sep="\n", flush=True)
            pages.append(page)
            wrong += faults
    if PAGE.parent.is_dir():
        PAGE.write_text("".join(pages))
    return 1 if wrong else 0


def _parts(
    folder: Path, held: Sequence[Contents], given: argparse.Namespace
) -> Iterator[tuple[str, Sequence[str]]]:
    # What calls the store in memory keeps one core busy, what waits for strace the other.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        survived = other.submit(at_the_port, folder, given.port)
        yield from _parts_on_disk(folder, held, given)
        rows = survived.result()
    yield report.port(rows), [why for *_, one in rows for why in one.wrong]


def _parts_on_disk(
    folder: Path, held: Sequence[Contents], given: argparse.Namespace
) -> Iterator[tuple[str, Sequence[str]]]:
    troubles = {name: asyncio.run(_trouble(folder, name, held, given.seed)) for name in TROUBLES}
    yield report.troubles(troubles), [why for one in troubles.values() for why in one.wrong]
    why_not = strace.missing()
    if why_not is not None:
        yield f"\n{why_not}\n", []
        return
    losses: dict[str, Losses] = {name: _lose(folder, name, held, given) for name in DURABILITIES}
    yield report.power(losses), _too_much(losses)
    struck = _strike(folder, held, given.calls or EVERYWHERE, given.seed)
    yield report.calls(CALLS, struck), [why for one in struck.values() for why in one.wrong]


TROUBLES = (
    "disk full, then one page freed",
    "log cut anywhere, with or without rubbish behind",
    "three processes that hold the lock, then are killed",
)


async def _trouble(folder: Path, name: str, held: Sequence[Contents], seed: int) -> Troubled:
    mine = folder / f"trouble{TROUBLES.index(name)}"
    mine.mkdir()
    if name == TROUBLES[0]:
        return await disk_full(mine, held)
    if name == TROUBLES[1]:
        return await torn_tail(mine, held, cuts=300, seed=seed)
    return await storm(mine, held, refusals=100)


DURABILITIES: Sequence[Durability] = ("full", "normal", "off")


def _lose(
    folder: Path, name: Durability, held: Sequence[Contents], given: argparse.Namespace
) -> Losses:
    return asyncio.run(lose(folder, name, held, images=given.images, seed=given.seed))


def _too_much(losses: dict[str, Losses]) -> Sequence[str]:
    wrong = [*losses["full"].wrong, *losses["normal"].wrong]
    if losses["full"].losing:
        wrong.append(f"S27: full lost something in {losses['full'].losing} images")
    if not (losses["off"].losing and losses["off"].corrupt):
        wrong.append("off lost or damaged nothing: the images are blind")
    return wrong


def _strike(folder: Path, held: Sequence[Contents], size: int, seed: int) -> dict[str, Struck]:
    counts = undisturbed(folder)
    writes = sample(every(counts, WRITES), size, seed)
    both = sample(every(counts, (*WRITES, *READS)), size, seed)
    room = sample(every(counts, ("pwrite64",)), size, seed)
    return {
        "SIGKILL": kill(folder, writes, counts, held),
        "EIO": fail(folder, both, counts, held, "EIO"),
        "EIO, ten in a row": fail(folder, sample(both, LONGER, seed), counts, held, "EIO", 10),
        "ENOSPC": fail(folder, room, counts, held, "ENOSPC"),
    }


if __name__ == "__main__":
    raise SystemExit(main())
