"""What one exploration cost and came to, in plain numbers; and liveness, in a sentence."""

from __future__ import annotations

from attrs import frozen

from parcae_specs.explorer.liveness import Graph
from parcae_specs.explorer.model import Model


@frozen(kw_only=True)
class Toll:
    """The result of an exploration without its worlds.

    Attributes:
        name: of the slice.
        text: its bound, in words.
        worlds: how many.
        steps: between them.
        depth: of the last.
        whole: there are no more.
        seconds: of processor time.
        size: of one world, in bytes, where worlds are numbers.
        good: no guarantee was broken.
    """

    name: str
    text: str
    worlds: int
    steps: int
    depth: int
    whole: bool
    seconds: float
    good: bool
    size: float | None = None

    def row(self) -> str:
        """A row of a table."""
        whole = "yes" if self.whole else "no"
        speed = self.worlds / max(self.seconds, 0.001)
        size = "" if self.size is None else f"{self.size:.0f}"
        return (
            f"| {self.name} | {self.worlds:,} | {self.steps:,} | {self.depth} | {whole} | "
            f"{self.seconds:,.0f} | {speed:,.0f} | {size} |\n"
        )


def liveness_of(model: Model) -> str:
    """Whether what must come about does, and that it does not once any assumption is dropped.

    Raises:
        AssertionError: it does not; or it does without one of its assumptions.
    """
    graph = Graph(model)
    said: list[str] = []
    for wanted in model.eventually:
        assert graph.lasso(wanted) is None, f"{model.name}: {wanted.name} does not hold"
        for one in sorted(wanted.fair):
            lasso = graph.lasso(wanted, wanted.fair - {one})
            assert lasso is not None, f"{model.name}: {wanted.name} holds without: {one}"
            said.append(f"without “{one}” a lasso of {len(lasso.prefix) + len(lasso.loop) - 2}")
    names = ", ".join(f"{wanted.guarantee} {wanted.name}" for wanted in model.eventually)
    return f"{model.name}, {len(graph.worlds):,} worlds: {names}; {'; '.join(said)}"
