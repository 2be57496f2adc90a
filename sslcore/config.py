"""Settings that know their ranges.

A config is a frozen dataclass whose fields are made by :func:`param`; making one checks every
value. The form in the app, the command line, the docs page and the contract tests are all read
off :func:`describe`.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class FixMatchConfig(Config):
...     threshold: float = param(0.95, low=0, high=1, help="Wanted confidence.")
>>> FixMatchConfig(threshold=1.5)
Traceback (most recent call last):
    ...
sslcore.errors.ConfigError: FixMatchConfig.threshold must be in [0, 1]. Received: 1.5. Wanted confidence.
>>> parse(FixMatchConfig, {"threshold": "0.9"})
FixMatchConfig(threshold=0.9)
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from sslcore.errors import ConfigError, did_you_mean

_C = TypeVar("_C", bound="Config")


def param(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[Any] = (),
    pattern: str = "",
    help: str,
    paper: str = "",
) -> Any:
    """A dataclass field with its range (both ends included), its choices, its help and its source.

    Where there is a ``pattern``, a string that matches the whole of it is as good as one of the choices.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "low": low,
            "high": high,
            "choices": tuple(choices),
            "pattern": pattern,
            "help": help,
            "paper": paper,
        },
    )


@dataclass(frozen=True)
class Param:
    """One field of a config, as plain data: what a form or a command line needs."""

    name: str
    type: str  # "float" | "int" | "bool" | "str", with " | None" where None is allowed
    default: Any
    low: float | None
    high: float | None
    choices: tuple[Any, ...]
    help: str
    paper: str
    pattern: str = ""  # what other values than the choices look like; "" where there are none


@dataclass(frozen=True)
class Config:
    """Base of every config; checks its values when it is made."""

    def __post_init__(self) -> None:
        kinds = _kinds(type(self))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and not isinstance(value, bool) and kinds[field.name][0] is float:
                object.__setattr__(self, field.name, float(value))
                value = float(value)
            _check(type(self).__name__, field, kinds[field.name], value)

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON-ready values."""
        return dataclasses.asdict(self)


def describe(config: type[Config]) -> list[Param]:
    """The fields of a config in order, as plain data."""
    kinds = _kinds(config)
    rows = []
    for field in dataclasses.fields(config):
        kind, optional = kinds[field.name]
        m = field.metadata
        rows.append(
            Param(
                name=field.name,
                type=kind.__name__ + (" | None" if optional else ""),
                default=field.default,
                low=m.get("low"),
                high=m.get("high"),
                choices=tuple(m.get("choices", ())),
                help=m.get("help", ""),
                paper=m.get("paper", ""),
                pattern=m.get("pattern", ""),
            )
        )
    return rows


def parse(config: type[_C], values: Mapping[str, Any]) -> _C:
    """Makes a config from names and values, reading strings as the field's type.

    Raises:
        ConfigError: An unknown name, a string that does not read, or a value out of range.
    """
    kinds = _kinds(config)
    unknown = [name for name in values if name not in kinds]
    if unknown and not kinds:
        raise ConfigError(f"There is no setting {unknown[0]!r}: what was chosen has no settings at all.")
    if unknown:
        raise ConfigError(
            f"{config.__name__} has no setting {unknown[0]!r}.{did_you_mean(unknown[0], kinds)} "
            f"It has: {', '.join(kinds)}."
        )
    return config(**{name: _read(config, name, kinds[name], value) for name, value in values.items()})


def _kinds(config: type[Config]) -> dict[str, tuple[type, bool]]:
    hints = typing.get_type_hints(config)
    return {field.name: _split_optional(hints[field.name]) for field in dataclasses.fields(config)}


def _split_optional(hint: Any) -> tuple[type, bool]:
    if isinstance(hint, types.UnionType):
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        return cast(type, parts[0]), len(parts) < len(typing.get_args(hint))
    return cast(type, hint), False


def _read(config: type[Config], name: str, kind: tuple[type, bool], value: Any) -> Any:
    if not isinstance(value, str) or kind[0] is str:
        return value
    text = value.strip().lower()
    if kind[1] and text in ("", "none", "null"):
        return None
    try:
        if kind[0] is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text]
        return kind[0](value)
    except (KeyError, ValueError):
        raise ConfigError(
            f"{config.__name__}.{name} must be {kind[0].__name__}. Received: {value!r}."
        ) from None


def _check(owner: str, field: dataclasses.Field[Any], kind: tuple[type, bool], value: Any) -> None:
    m, where = field.metadata, f"{owner}.{field.name}"
    tail = f" {m['help']}" if m.get("help") else ""
    if value is None and kind[1]:
        return
    if not isinstance(value, kind[0]) or (isinstance(value, bool) and kind[0] is not bool):
        raise ConfigError(
            f"{where} must be {kind[0].__name__}. Received: {value!r} ({type(value).__name__}).{tail}"
        )
    pattern = m.get("pattern", "")
    free = bool(pattern) and isinstance(value, str) and re.fullmatch(pattern, value) is not None
    if m.get("choices") and value not in m["choices"] and not free:
        raise ConfigError(f"{where} must be one of {list(m['choices'])}. Received: {value!r}.{tail}")
    low, high = m.get("low"), m.get("high")
    too_low = low is not None and not value >= low
    too_high = high is not None and not value <= high
    if too_low or too_high:
        if low is not None and high is not None:
            span = f"in [{low}, {high}]"
        else:
            span = f"at least {low}" if low is not None else f"at most {high}"
        raise ConfigError(f"{where} must be {span}. Received: {value!r}.{tail}")
