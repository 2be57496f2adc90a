import json
import subprocess
import sys

import pytest

from sslcore import choices
from sslcore.errors import LabelloomError, UnknownNameError


@pytest.fixture
def fresh_home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path))
    choices._all.cache_clear()
    yield tmp_path
    choices._all.cache_clear()


def test_lists_every_registry_and_keeps_the_list(fresh_home, monkeypatch):
    assert "fixmatch" in [entry["name"] for entry in choices.methods("deep")]
    assert "random" in [entry["name"] for entry in choices.queries()]
    assert {"batch", "minutes"} <= {param["name"] for param in choices.training()["params"]}
    for kind in ("methods", "queries", "encoders", "formats"):
        for entry in choices.choices(kind):
            assert {"name", "family", "title", "paper", "text", "when", "params"} == set(entry)
    assert len(list((fresh_home / ".cache").glob("choices-*.json"))) == 1

    def never():
        raise AssertionError("the list was there already")

    choices._all.cache_clear()
    monkeypatch.setattr(choices, "_ask_child", never)
    assert "fixmatch" in [entry["name"] for entry in choices.methods("deep")]


def test_schema_carries_what_a_form_needs(fresh_home):
    threshold = next(p for p in choices.choice("methods", "fixmatch")["params"] if p["name"] == "threshold")
    assert (threshold["type"], threshold["low"], threshold["high"]) == ("float", 0, 1)
    assert threshold["help"]


def test_a_damaged_list_is_made_anew(fresh_home, monkeypatch):
    kept = fresh_home / ".cache" / f"choices-{choices._sources()}.json"
    kept.parent.mkdir()
    kept.write_text("{broken")
    monkeypatch.setattr(choices, "_ask_child", lambda: ({kind: [] for kind in choices.KINDS}, True))
    assert choices.methods() == []
    assert set(json.loads(kept.read_text())) == set(choices.KINDS)


def test_a_list_with_gaps_is_not_kept(fresh_home, monkeypatch):
    monkeypatch.setattr(choices, "_ask_child", lambda: ({kind: [] for kind in choices.KINDS}, False))
    assert choices.methods() == []
    assert not (fresh_home / ".cache").exists()


def test_a_home_that_cannot_be_written_still_gets_its_list(fresh_home, monkeypatch):
    (fresh_home / ".cache").write_text("a file in the way")
    monkeypatch.setattr(choices, "_ask_child", lambda: ({kind: [] for kind in choices.KINDS}, True))
    assert choices.queries() == []


def test_a_child_that_fails_says_why(fresh_home, monkeypatch):
    monkeypatch.setattr("sys.executable", str(fresh_home / "no-python"))
    with pytest.raises(LabelloomError, match="could not be made"):
        choices.methods()


def test_unknown_names_are_answered_with_the_known_ones(fresh_home, monkeypatch):
    monkeypatch.setattr(choices, "_ask_child", lambda: ({kind: [] for kind in choices.KINDS}, True))
    with pytest.raises(UnknownNameError, match="queries"):
        choices.choices("querys")
    with pytest.raises(UnknownNameError, match="fixmtch"):
        choices.choice("methods", "fixmtch")


def test_the_app_process_never_imports_torch():
    script = """
import sys
import importlib, pkgutil
import sslcore.workbench, sslcore.choices
for info in pkgutil.iter_modules(sslcore.workbench.__path__):
    importlib.import_module(f"sslcore.workbench.{info.name}")
import pages.shell, pages.routes, pages.components
for info in pkgutil.iter_modules(pages.components.__path__):
    importlib.import_module(f"pages.components.{info.name}")
heavy = {"torch", "torchvision", "transformers", "timm", "sentence_transformers"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"
