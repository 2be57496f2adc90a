"""A form made from the settings of a config: one widget a field, by its type, range and choices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

Param = Mapping[str, Any]


COARSE = [hundredth / 100 for hundredth in range(101)]
"""Values that a slider in steps of a hundredth can show; 0.0005 would read 0.00 on it."""
WIDTH = 210
"""Width of a setting in pixels; a row takes as many as fit and goes on below."""


def config_form(params: Sequence[Param], values: Mapping[str, Any], *, key: str) -> dict[str, Any]:
    """Shows the settings side by side, as many as fit, and returns their values by name.

    Args:
        params: Fields as ``Registry.schema`` gives them.
        values: What each starts with; the field's default where it is missing.
        key: Prefix of the widgets' keys; another prefix starts from ``values`` again.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        return {
            param["name"]: field(param, values.get(param["name"], param["default"]), key=key)
            for param in params
        }


def field(param: Param, value: Any, *, key: str, label: str | None = None) -> Any:
    """One setting: a choice, a switch, a slider (a share of 0 to 1) or a number."""
    name, kind = param["name"], param["type"]
    label, key = label or title(name), f"{key}:{name}"
    common: dict[str, Any] = {"help": explain(param), "key": key, "width": WIDTH}
    base, optional = kind.removesuffix(" | None"), kind.endswith(" | None")
    if param["choices"]:
        options = [None, *param["choices"]] if optional else list(param["choices"])
        free = bool(param.get("pattern"))  # other names are as good: the list is for choosing, not the limit
        if free and value not in options:
            options.append(value)
        index = options.index(value) if value in options else 0
        common["accept_new_options"] = free
        return st.selectbox(label, options, index=index, format_func=_option, **common)
    if base == "bool":
        return st.checkbox(label, value=bool(value), **common)
    if base == "float" and not optional and param["low"] == 0 and param["high"] == 1 and value in COARSE:
        return st.slider(label, 0.0, 1.0, float(value), step=0.01, **common)
    if base in ("int", "float"):
        return _number(base, param, value, label, common)
    return st.text_input(label, value="" if value is None else str(value), **common)


def title(name: str) -> str:
    """A field's name as a label.

    >>> title("unlabelled_weight"), title("evaluate_every_s")
    ('Unlabelled weight', 'Evaluate every (s)')
    """
    if name.endswith("_s"):
        name = f"{name.removesuffix('_s')} (s)"
    return name[:1].upper() + name[1:].replace("_", " ")


def explain(param: Param) -> str:
    """The help of a field, with its range, default and source.

    >>> explain({"help": "How sure.", "low": 0, "high": 1, "default": 0.95, "paper": "", "choices": []})
    'How sure. From 0 to 1; default 0.95.'
    """
    parts = [param["help"]]
    low, high = param["low"], param["high"]
    default = "automatic" if param["default"] is None else f"{param['default']}"
    if low is not None and high is not None:
        parts.append(f"From {low:g} to {high:g}; default {default}.")
    elif low is not None:
        parts.append(f"At least {low:g}; default {default}.")
    else:
        parts.append(f"Default {default}.")
    if param["paper"]:
        parts.append(param["paper"])
    return " ".join(part for part in parts if part)


def _option(value: Any) -> str:
    return "automatic" if value is None else str(value)


def _number(base: str, param: Param, value: Any, label: str, common: dict[str, Any]) -> Any:
    cast = int if base == "int" else float
    low = None if param["low"] is None else cast(param["low"])
    high = None if param["high"] is None else cast(param["high"])
    form, step = ("%d", 1) if base == "int" else ("%g", step_of(value if value else param["default"]))
    return st.number_input(
        label,
        min_value=low,
        max_value=high,
        value=None if value is None else cast(value),
        step=cast(step),
        format=form,
        placeholder="automatic",
        **common,
    )


def step_of(value: float | None) -> float:
    """The step of a number's buttons: a tenth of its size, as a power of ten.

    >>> [step_of(value) for value in (50.0, 4.0, 0.999, 0.0005, 0.0, None)]
    [1.0, 0.1, 0.01, 1e-05, 0.1, 0.1]
    """
    return 10.0 ** (math.floor(math.log10(abs(value))) - 1) if value else 0.1
