"""Mounts a component whose script is served by the app's own route.

The component's inline script is two lines that import the real module, so the module is fetched once
per version, kept by the browser, and not sent again with every rerun.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import streamlit as st

from pages.routes.assets import FOLDER, version


@cache
def component(name: str, html: str) -> Any:
    """The component ``assets/<name>.js`` (with ``assets/<name>.css`` where it exists).

    The module's default export is called as Streamlit's components v2 do: with ``parentElement``,
    ``data``, ``setTriggerValue`` and ``setStateValue``; it runs again on every change of ``data``.

    Args:
        name: The asset's name without its ending.
        html: What is in the component before its script runs; nothing from data.
    """
    style = FOLDER / f"{name}.css"
    script = (
        f"const address = new URL('/labelloom/assets/{version()}/{name}.js', location.origin).href;\n"
        "const { default: mount } = await import(address);\n"
        "export default mount;\n"
    )
    return st.components.v2.component(
        f"labelloom_{name}",
        html=html,
        css=style.read_text(encoding="utf-8") if style.exists() else None,
        js=script,
    )
