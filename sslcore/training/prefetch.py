"""The batch of the next step, made while this one is computed.

One thread, one batch ahead. A batch follows from its step alone (streams and dice are set by it), so what is
made ahead is bit for bit what would have been made in turn, and one that is never asked for is no loss.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Makes what belongs to a step, the next one ahead of time once :meth:`start` was called.

    Args:
        make: Makes it; must depend on the step alone.

    >>> with Ahead(lambda step: step * step) as squares:
    ...     squares.start()
    ...     [squares.take(step) for step in (0, 1, 2, 7)]
    [0, 1, 4, 49]
    """

    def __init__(self, make: Callable[[int], T]) -> None:
        self._make = make
        self._pool: ThreadPoolExecutor | None = None
        self._next: tuple[int, Future[T]] | None = None

    def __enter__(self) -> Ahead[T]:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self) -> None:
        """From now on a thread works ahead."""
        self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="batches")

    def take(self, step: int) -> T:
        """What belongs to a step; what was raised while it was made is raised here."""
        held, self._next = self._next, None
        if held is not None and held[0] == step:
            made = held[1].result()
        else:
            self._drop(held)
            made = self._make(step)
        if self._pool is not None:
            self._next = (step + 1, self._pool.submit(self._make, step + 1))
        return made

    def forget(self) -> None:
        """Drops what was made ahead: it was made for other settings."""
        held, self._next = self._next, None
        self._drop(held)

    def close(self) -> None:
        """Ends the thread; :meth:`take` goes on in turn."""
        self.forget()
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None

    def _drop(self, held: tuple[int, Future[T]] | None) -> None:
        """Waits for work nobody wants any more: streams and dice are not shared between threads."""
        if held is not None and not held[1].cancel():
            held[1].exception()
