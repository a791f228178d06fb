"""Servers in processes of their own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def server(module: str, *arguments: str) -> Iterator[int]:
    """One of the modules beside this one, as a process; its port."""
    command = [sys.executable, "-m", f"parcae_specs.bench.wire.{module}", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()
