"""``python -m parcae_specs.mutation``: mutate the kernel; writes ``specs/mutation.md``."""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

from parcae_specs.mutation.lay import equip, lay
from parcae_specs.mutation.page import page
from parcae_specs.mutation.results import DEAD, mutants, told


def main() -> int:
    """Mutate, tell, and fail if too many live."""
    parser = argparse.ArgumentParser(prog="python -m parcae_specs.mutation", description=__doc__)
    parser.add_argument("--write", type=Path, default=Path("specs/mutation.md"), help="the page")
    parser.add_argument("--cores", type=int, default=2, help="mutants at once (2)")
    parser.add_argument("--folder", type=Path, help="work here, and go on where a run stopped")
    parser.add_argument("names", nargs="*", help="only these: parcae.retry.*")
    given = parser.parse_args()
    if given.folder is not None:
        given.folder.mkdir(exist_ok=True)
        return _mutate(given.folder, given)
    with tempfile.TemporaryDirectory(prefix="parcae-mutation-") as folder:
        return _mutate(Path(folder), given)


LEAST = 0.95
"""Of the mutants that can be seen, so many have to be found out."""


def _mutate(folder: Path, given: argparse.Namespace) -> int:
    tools, copy = folder / "environment" / "bin", folder / "copy"
    if not tools.is_dir():
        equip(tools.parent)
    if not copy.is_dir():
        lay(copy, Path.cwd())
    command = [str(tools / "mutmut"), "run", "--max-children", str(given.cores), *given.names]
    subprocess.run(command, cwd=copy, check=True)
    found = [one for one in mutants(copy) if one.status != "not tried"]
    alive = list(told(copy, tools / "python", [one for one in found if one.status not in DEAD]))
    given.write.write_text(page(found, alive), encoding="utf-8")
    share = 1 - len(alive) / max(len(found), 1)
    print(f"{len(found)} mutants, {len(alive)} alive: {share:.1%} killed")
    return 0 if share >= LEAST else 1


if __name__ == "__main__":
    raise SystemExit(main())
