"""Runs the code in README.md and in the pages of ``RUN`` as tests, in a folder of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

RUN = ["docs/bridges.md", "docs/graphs.md", "docs/queues.md", "docs/webhooks.md"]
"""Pages whose code runs as it stands; that of others is a part of something."""


def _in_a_folder_of_its_own(namespace: dict[str, Any]) -> None:
    import tempfile

    folder = tempfile.TemporaryDirectory(prefix="parcae-readme-")
    namespace["_folder"], namespace["_before"] = folder, Path.cwd()
    os.chdir(folder.name)


def _back(namespace: dict[str, Any]) -> None:
    os.chdir(namespace["_before"])
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()],
    patterns=["README.md", *RUN],
    setup=_in_a_folder_of_its_own,
    teardown=_back,
).pytest()
