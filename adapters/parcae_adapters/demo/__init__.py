"""Archives real files with workers that are killed: what Parcae is for, in a minute.

``saga`` is what an application would write; ``archive`` and ``files`` are its own business;
``trouble``, ``crew``, ``play`` and ``report`` make a spectacle of it.
"""

from parcae_adapters.demo.saga import jobs

__all__ = ["jobs"]
