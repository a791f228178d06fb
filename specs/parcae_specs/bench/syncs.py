"""How many times a job makes the disk write through: counted by strace, from outside."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from parcae_adapters.sqlite import SqliteStore
from parcae_specs.bench.load import drive

STRACE = shutil.which("strace")


def per_job(folder: Path, count: int = 1_000) -> float:
    """Calls of fsync and fdatasync for each of ``count`` no-op jobs, a hundred at once.

    Raises:
        RuntimeError: there is no strace here, or it may not trace.
    """
    if STRACE is None:
        raise RuntimeError("strace is not installed: install the package strace")
    trace = folder / "trace"
    command = [STRACE, "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", str(trace)]
    command += [sys.executable, "-m", "parcae_specs.bench.syncs", str(folder / "syncs.db")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [*command, str(count)], env=environment, capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise RuntimeError(f"strace failed: {run.stderr.strip()}")
    calls = re.findall(r"\b(?:fsync|fdatasync)\(", trace.read_text())
    return len(calls) / count


def main(path: str, count: str) -> None:
    """The traced process: the jobs, and nothing else."""

    async def run() -> None:
        store = SqliteStore(path)
        await drive(store, int(count))
        await store.close()

    asyncio.run(run())


if __name__ == "__main__":
    main(*sys.argv[1:])
