"""Writes the generated pages of docs/ from the registries; ``--check`` says whether they are old."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from tools import method_pages
from tools.method_pages import cell, family_page, setting_row

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference"
METHODS = ROOT / "docs" / "methods"
SCORES = METHODS / "scores.json"
OWN_PAGES = ("instant", "methods")
"""Reference pages that only list: each of their entries has a page under docs/methods/."""


def registries() -> dict[str, tuple[str, Any]]:
    """Page name → (heading, registry)."""
    from sslcore.features import ENCODERS
    from sslcore.formats import FORMATS
    from sslcore.instant import INSTANT
    from sslcore.methods import METHODS
    from sslcore.queries import QUERIES

    return {
        "instant": ("Instant models", INSTANT),
        "methods": ("Training methods", METHODS),
        "queries": ("Queries", QUERIES),
        "encoders": ("Encoders", ENCODERS),
        "formats": ("Formats", FORMATS),
    }


def methods() -> list[dict[str, Any]]:
    """Every entry of the registries that the listing of methods is made of, by family and name."""
    from sslcore.choices import REGISTRIES

    found = [
        entry.schema()
        for module, name in REGISTRIES["methods"]
        for entry in getattr(importlib.import_module(module), name)
    ]
    order = list(method_pages.FAMILIES)
    return sorted(found, key=lambda schema: (order.index(schema["family"]), schema["name"]))


def page(heading: str, registry: Any) -> str:
    """One reference page."""
    schemas = [entry.schema() for entry in registry]
    lines = [f"# {heading}", "", "Generated from the registry by `make docs`; do not edit.", ""]
    lines += ["| name | what | source |", "|---|---|---|"]
    lines += [f"| [`{s['name']}`](#{s['name']}) | {cell(s['title'])} | {cell(s['paper'])} |" for s in schemas]
    for schema in schemas:
        about = f"**{schema['title']}** ({schema['family']})"
        lines += ["", f"## {schema['name']}", "", about, ""]
        lines += ["```text", schema["text"].strip(), "```"]
        if schema["when"]:
            lines += ["", f"When: {schema['when']}"]
        if schema["params"]:
            lines += ["", "| setting | default | range | what it is |", "|---|---|---|---|"]
            lines += [setting_row(param) for param in schema["params"]]
    return "\n".join(lines) + "\n"


def reference_pages() -> dict[Path, str]:
    """The pages of docs/reference/."""
    return {
        FOLDER / f"{name}.md": family_page(heading, [entry.schema() for entry in registry])
        if name in OWN_PAGES
        else page(heading, registry)
        for name, (heading, registry) in registries().items()
    }


def methods_pages() -> dict[Path, str]:
    """The pages of docs/methods/: one a method, the index, the scores."""
    every, scores = methods(), method_pages.read_scores(SCORES)
    pages = {
        METHODS / method_pages.file_name(schema): method_pages.method_page(schema, every, scores)
        for schema in every
    }
    pages[METHODS / "index.md"] = method_pages.index_page(every)
    pages[METHODS / "scores.md"] = method_pages.scores_page(every, scores)
    return pages


def strays() -> list[Path]:
    """Pages of methods that there are no more."""
    return sorted(set(METHODS.glob("*.md")) - set(methods_pages()))


def main() -> int:
    """Writes the pages, or with ``--check`` names the old ones and returns 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    old = [path.name for path in strays()]
    for path, text in (reference_pages() | methods_pages()).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            old.append(path.name)
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if check and old:
        print(f"Old: {', '.join(old)}. Run `make docs`.", file=sys.stderr)
        return 1
    for path in [] if check else strays():
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
