"""Query strategies: which items to ask a person about next.

One strategy, one file, one sign: a higher score means "ask me first". A strategy is a pure function
of a :class:`~sslcore.queries.pool.Pool`, a number and a random generator.

>>> "margin" in QUERIES and "random" in QUERIES
True
"""

from __future__ import annotations

from sslcore.queries.pool import Pool, Query, Selection
from sslcore.registry import Registry

QUERIES: Registry[Query] = Registry("query", "sslcore.queries")

__all__ = ["QUERIES", "Pool", "Query", "Selection"]
