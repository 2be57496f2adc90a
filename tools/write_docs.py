"""Writes the reference pages of docs/ from the registries; ``--check`` says whether they are old."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference"


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


def page(heading: str, registry: Any) -> str:
    """One reference page."""
    schemas = [entry.schema() for entry in registry]
    lines = [f"# {heading}", "", "Generated from the registry by `make docs`; do not edit.", ""]
    lines += ["| name | what | source |", "|---|---|---|"]
    lines += [
        f"| [`{s['name']}`](#{s['name']}) | {_cell(s['title'])} | {_cell(s['paper'])} |" for s in schemas
    ]
    for schema in schemas:
        about = f"**{schema['title']}** ({schema['family']})"
        lines += ["", f"## {schema['name']}", "", about, ""]
        lines += ["```text", schema["text"].strip(), "```"]
        if schema["params"]:
            lines += ["", "| setting | default | range | what it is |", "|---|---|---|---|"]
            lines += [_row(param) for param in schema["params"]]
    return "\n".join(lines) + "\n"


def _row(param: dict[str, Any]) -> str:
    low, high, choices = param["low"], param["high"], param["choices"]
    if choices:
        span = ", ".join(map(str, choices))
    elif low is None and high is None:
        span = param["type"]
    else:
        span = f"{'' if low is None else low} … {'' if high is None else high}".strip()
    return f"| `{param['name']}` | {param['default']} | {_cell(span)} | {_cell(param['help'])} |"


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def main() -> int:
    """Writes the pages, or with ``--check`` names the old ones and returns 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    FOLDER.mkdir(parents=True, exist_ok=True)
    old = []
    for name, (heading, registry) in registries().items():
        path, text = FOLDER / f"{name}.md", page(heading, registry)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            old.append(path.name)
            if not check:
                path.write_text(text, encoding="utf-8")
    if check and old:
        print(f"Old: {', '.join(old)}. Run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
