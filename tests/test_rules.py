"""Rules of the house that nobody has to remember."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.write_docs import FOLDER, reference_pages, registries

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [
    path for folder in ("sslcore", "pages", "benchmarks", "tools") for path in (ROOT / folder).rglob("*.py")
]
TEST_FOLDER = {
    "instant": "instant",
    "methods": "methods",
    "queries": "queries",
    "encoders": "features",
    "formats": "formats",
}


@pytest.mark.parametrize("name", list(TEST_FOLDER))
def test_reference_pages_are_of_now(name):
    path = FOLDER / f"{name}.md"
    assert path.read_text(encoding="utf-8") == reference_pages()[path], "run `make docs`"


@pytest.mark.parametrize("name", list(TEST_FOLDER))
def test_every_registered_thing_has_its_own_test(name):
    _, registry = registries()[name]
    missing = []
    for entry in registry:
        module = entry.module.rsplit(".", 1)[-1]
        if not (ROOT / "tests" / TEST_FOLDER[name] / f"test_{module}.py").exists():
            missing.append(module)
    assert not missing


@pytest.mark.parametrize("name", list(TEST_FOLDER))
def test_every_registered_thing_says_what_it_is(name):
    _, registry = registries()[name]
    for entry in registry:
        assert entry.text.strip(), f"{entry.name}: the module has no docstring"
        assert entry.title
        for param in entry.schema()["params"]:
            assert param["help"], f"{entry.name}.{param['name']} has no help"


def test_no_way_to_run_code_from_data():
    wrong = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", "") or ""}
                if names & {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"}:
                    wrong.append(f"{path}: {names}")
            if isinstance(node, ast.Call):
                keywords = {k.arg: k.value for k in node.keywords}
                called = ast.unparse(node.func)
                if called.endswith("np.load"):
                    held = keywords.get("allow_pickle")
                    if not (isinstance(held, ast.Constant) and held.value is False):
                        wrong.append(f"{path}:{node.lineno}: np.load without allow_pickle=False")
                if called == "torch.load":
                    held = keywords.get("weights_only")
                    if not (isinstance(held, ast.Constant) and held.value is True):
                        wrong.append(f"{path}:{node.lineno}: torch.load without weights_only=True")
                if called in ("eval", "exec", "os.system", "joblib.load"):
                    wrong.append(f"{path}:{node.lineno}: {called}")
                if any(k == "shell" and getattr(v, "value", None) is True for k, v in keywords.items()):
                    wrong.append(f"{path}:{node.lineno}: shell=True")
    assert not wrong


def test_the_app_asks_no_foreign_server():
    foreign = re.compile(r"https?://(?!127\.0\.0\.1|localhost)[\w.-]+")
    files = [*(ROOT / "pages").rglob("*.js"), *(ROOT / "pages").rglob("*.css")]
    found = [f"{path.name}: {hit}" for path in files for hit in foreign.findall(path.read_text("utf-8"))]
    assert [hit for hit in found if "www.w3.org" not in hit] == []
    icons = [path.name for path in (ROOT / "pages").rglob("*.py") if ":material/" in path.read_text("utf-8")]
    assert icons == []


def test_scripts_never_write_markup_from_data():
    wrong = re.compile(r"\.(innerHTML|outerHTML)\s*\+?=(?!=)|insertAdjacentHTML|document\.write")
    hits = [
        f"{path.name}:{number}"
        for path in (ROOT / "pages").rglob("*.js")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if wrong.search(line)
    ]
    assert hits == []


def test_the_apps_process_never_imports_torch():
    code = (
        "import sys, importlib, pkgutil\n"
        "import sslcore.workbench, sslcore.commands, pages.routes, pages.components\n"
        "for name in ('data', 'label', 'review', 'quality', 'map', 'train', 'compare', 'export'):\n"
        "    importlib.import_module(f'sslcore.workbench.{name}')\n"
        "for name in ('instant.loop', 'queries', 'quality', 'graph', 'formats', 'importing', 'exporting'):\n"
        "    importlib.import_module(f'sslcore.{name}')\n"
        "for info in pkgutil.iter_modules(pages.components.__path__):\n"
        "    importlib.import_module(f'pages.components.{info.name}')\n"
        "heavy = {'torch', 'transformers', 'umap', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=ROOT, timeout=120)


def test_nothing_downloaded_or_secret_is_in_the_repository():
    tracked = subprocess.run(["git", "ls-files", "-s"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    names = [line.split("\t", 1)[1] for line in tracked.stdout.splitlines()]
    wrong = [
        n for n in names if n.endswith((".pt", ".safetensors", ".npy", ".npz", ".zip", ".gz", ".db", ".onnx"))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "path", [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))], ids=lambda p: p.name
)
def test_a_page_shows_nothing_by_accident(path):
    """Streamlit writes a bare value onto the page, a string below a constant as well."""
    body = ast.parse(path.read_text(encoding="utf-8")).body[1:]
    bare = [
        part.lineno for part in body if isinstance(part, ast.Expr) and not isinstance(part.value, ast.Call)
    ]
    assert not bare
