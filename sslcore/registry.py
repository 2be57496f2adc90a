"""Named choices: methods, queries, encoders, formats.

A registry is filled by importing the modules of one package, one choice per file, so adding a
choice touches one file and its test.

>>> toys: Registry[type] = Registry("toy")
>>> @toys.register("teddy", title="Teddy bear", family="soft", paper="Steiff 1902")
... class Teddy:
...     '''A bear.'''
>>> toys["teddy"].title, toys.names()
('Teddy bear', ['teddy'])
>>> toys["tedy"]
Traceback (most recent call last):
    ...
sslcore.errors.UnknownNameError: No toy is named 'tedy'. Did you mean 'teddy'? There are: teddy.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sslcore.config import Config, describe
from sslcore.errors import UnknownNameError, did_you_mean

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One registered choice and what is told of it."""

    name: str
    family: str
    title: str
    paper: str
    value: T
    config: type[Config]
    module: str
    text: str  # the module's docstring: the paper in five lines
    when: str = ""  # its last paragraph, where that begins with "When:": what the choice suits

    def as_dict(self) -> dict[str, Any]:
        """The four public keys of the ``--json`` listings."""
        return {"name": self.name, "family": self.family, "title": self.title, "paper": self.paper}

    def schema(self) -> dict[str, Any]:
        """All that a form or a docs page shows, JSON-ready."""
        params = [param.__dict__ | {"choices": list(param.choices)} for param in describe(self.config)]
        return self.as_dict() | {"text": self.text, "when": self.when, "params": params}


class Registry(Generic[T]):
    """A table of named choices.

    Args:
        noun: What one of them is called in messages ("query").
        package: The package whose modules register themselves; imported on the first look-up.
    """

    def __init__(self, noun: str, package: str | None = None) -> None:
        self.noun = noun
        self._package = package
        self._entries: dict[str, Entry[T]] = {}

    def register(
        self, name: str, *, title: str, family: str, paper: str = "", config: type[Config] = Config
    ) -> Callable[[T], T]:
        """Decorator: adds a class or function under a name.

        Raises:
            ValueError: The name is taken by something else.
        """

        def add(value: T) -> T:
            module = inspect.getmodule(value)
            held = self._entries.get(name)
            if held is not None and held.module != getattr(value, "__module__", ""):
                raise ValueError(f"The {self.noun} {name!r} is registered twice.")
            text, when = split_when(inspect.cleandoc((module and module.__doc__) or ""))
            self._entries[name] = Entry(
                name=name,
                family=family,
                title=title,
                paper=paper,
                value=value,
                config=config,
                module=getattr(value, "__module__", ""),
                text=text,
                when=when,
            )
            return value

        return add

    def __getitem__(self, name: str) -> Entry[T]:
        self._fill()
        if name not in self._entries:
            hint = did_you_mean(name, self._entries)
            raise UnknownNameError(
                f"No {self.noun} is named {name!r}.{hint} There are: {', '.join(self.names())}."
            )
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        self._fill()
        return name in self._entries

    def __iter__(self) -> Iterator[Entry[T]]:
        return iter([self._entries[name] for name in self.names()])

    def names(self) -> list[str]:
        """The registered names, sorted: which module came first says nothing."""
        self._fill()
        return sorted(self._entries)

    def _fill(self) -> None:
        if self._package is None:
            return
        package_name, self._package = self._package, None
        package = importlib.import_module(package_name)
        for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
            importlib.import_module(f"{package_name}.{info.name}")


def split_when(text: str) -> tuple[str, str]:
    """A module's docstring as the rule and when to use it, which is what follows "When:" at its end.

    >>> split_when("Be sure.\\n\\nLee 2013.\\n\\nWhen: few labels,\\nmany items.")
    ('Be sure.\\n\\nLee 2013.', 'Few labels, many items.')
    >>> split_when("Be sure.")
    ('Be sure.', '')
    """
    rule, _, when = f"\n{text}".partition("\nWhen:")
    when = " ".join(when.split())
    return rule.strip(), when[:1].upper() + when[1:]
