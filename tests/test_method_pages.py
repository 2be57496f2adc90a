"""The generated pages of docs/methods: of now, complete, linked, and honest about what was measured."""

import json
import re

import pytest

from tools.method_pages import (
    FAMILIES,
    PLAIN,
    file_name,
    index_page,
    method_page,
    paper,
    pictures,
    read_scores,
    scores_page,
    summary,
)
from tools.write_docs import METHODS, SCORES, methods, methods_pages, strays


@pytest.fixture(scope="module")
def every():
    return methods()


def row(method, accuracy, *, spread=0.01, labels=40, name="mnist-5k", gain=None, **more):
    told = {"set": name, "method": method, "labels": labels, "seeds": 3, "minutes": 4.0}
    told |= {"accuracy": accuracy, "spread": spread, "gain": gain, "steps": 1200}
    return told | {"commit": "abc1234", "machine": "x86_64, 2 cores", "date": "2026-11-21"} | more


def test_the_pages_are_of_now():
    old = [
        path.name
        for path, text in methods_pages().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    assert old == [], "run `make docs`"
    assert strays() == [], "pages of methods that there are no more"


def test_every_method_says_when_to_use_it(every):
    silent = [schema["name"] for schema in every if schema["family"] in PLAIN and len(schema["when"]) < 60]
    assert silent == [], 'end the module docstring with a paragraph "When: …"'


def test_pages_have_names_of_their_own_and_families_are_known(every):
    names = [file_name(schema) for schema in every]
    assert len(names) == len(set(names))
    assert {schema["family"] for schema in every} <= set(FAMILIES)
    assert {"index.md", "scores.md"}.isdisjoint(names)


def test_links_lead_somewhere(every):
    broken = []
    for path in METHODS.glob("*.md"):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
            if not (path.parent / link).is_file():
                broken.append(f"{path.name}: {link}")
    assert broken == []


def test_a_page_holds_what_a_person_asks(every):
    fixmatch = next(schema for schema in every if schema["name"] == "fixmatch")
    text = method_page(fixmatch, every, [row("fixmatch", 0.912, gain=0.031), row("uda", 0.5)])
    for part in ("When to use it", "The rule", "Settings", "What it scored here", "See also"):
        assert f"## {part}" in text
    assert "https://arxiv.org/abs/2001.07685" in text
    assert "| `threshold` | 0.95 | 0 … 1 |" in text
    assert "| mnist-5k | 40 | 91.2 ± 1.0 | +3.1 | 4 | 1,200 | 3 |" in text
    assert "50.0" not in text, "another method's figure"
    assert "`abc1234`" in text
    assert "[`freematch`](freematch.md)" in text
    assert "Not measured yet." in method_page(fixmatch, every, [])


def test_the_table_marks_the_best_and_what_beats_the_supervised_network(every):
    scores = [
        row("supervised", 0.80, spread=0.02),
        row("fixmatch", 0.90),
        row("uda", 0.815, gain=0.02),
        row("vat", 0.70),
        row("uda", 0.9, name="digits", labels=100, gain=0.04),
    ]
    lines = scores_page(every, scores).splitlines()
    assert "| method | digits, 100 labels | mnist-5k, 40 labels | mean gain |" in lines
    assert "| [Supervised network](supervised.md) | – | 80.0 ± 2.0 |  |" in lines
    assert "| [FixMatch](fixmatch.md) | – | **90.0 ± 1.0** ▲ | – |" in lines
    assert "| [UDA](uda.md) | **90.0 ± 1.0** | 81.5 ± 1.0 ≈ | +3.0 |" in lines
    assert "| [VAT](vat.md) | – | 70.0 ± 1.0 ▼ | – |" in lines
    assert lines.index("| [Supervised network](supervised.md) | – | 80.0 ± 2.0 |  |") < lines.index(
        "| [FixMatch](fixmatch.md) | – | **90.0 ± 1.0** ▲ | – |"
    )


def test_other_time_budgets_have_tables_of_their_own(every):
    text = scores_page(every, [row("uda", 0.9), row("uda", 0.8, minutes=1.0)])
    assert text.index("## 1 min") < text.index("## 4 min")
    assert "**80.0 ± 1.0**" in text


def test_without_figures_nothing_is_claimed(every, tmp_path):
    assert read_scores(tmp_path / "none.json") == []
    assert "Not measured yet." in scores_page(every, [])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"method": "uda"}, "row 1: set, labels"), (row("uda", 91.0), "in \\[0, 1\\], not 91")],
)
def test_a_results_file_that_makes_no_sense_is_refused(tmp_path, wrong, words):
    path = tmp_path / "scores.json"
    path.write_text(json.dumps([wrong]))
    with pytest.raises(ValueError, match=words):
        read_scores(path)


def test_the_file_that_is_there_can_be_read(every):
    known = {schema["name"] for schema in every}
    assert {held["method"] for held in read_scores(SCORES)} <= known


def test_every_picture_of_the_scores_is_there():
    named = pictures(read_scores(SCORES))
    assert [file for file in named if not (SCORES.parents[1] / "plots" / file).is_file()] == []


def test_two_methods_are_no_picture(every):
    two = [row("uda", 0.9), row("supervised", 0.8)]
    assert pictures([held | {"minutes": 1.0} for held in two]) == {}
    three = [held | {"minutes": 1.0} for held in [*two, row("vat", 0.7)]]
    assert list(pictures(three)) == ["methods-mnist-5k-1min.svg"]
    assert "](../plots/methods-mnist-5k-1min.svg)" in scores_page(every, three)


def test_the_index_has_every_method(every):
    text = index_page(every)
    assert all(f"({file_name(schema)})" in text for schema in every)


def test_papers_link_where_they_can():
    assert paper("Ma et al. 2018, doi:10.1145/3219819.3220007").endswith(
        "(https://doi.org/10.1145/3219819.3220007)"
    )
    assert paper("Yarowsky 1995; Northcutt 2021, arXiv:1911.00068").startswith("Yarowsky 1995; [Northcutt")


def test_the_index_says_what_a_method_does_and_not_half_a_reference(every):
    assert summary("LoRA: low-rank steps (Hu et al. 2022).\n\nMore.") == "low-rank steps (Hu et al. 2022)."
    assert summary("Pairs (SetFit: Tunstall 2022).") == "Pairs (SetFit: Tunstall 2022)."
    assert summary("Pairs (SetFit: 2022): near or far. So: on.") == "near or far. So: on."
    told = {schema["name"]: summary(schema["text"]) for schema in every}
    assert [name for name, text in told.items() if text.count("(") != text.count(")")] == []
    assert [name for name, text in told.items() if len(text.partition("(")[0].split()) < 3] == []
