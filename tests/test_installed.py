"""What ``pip install`` makes of the project: the library, its command, and the app."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import httpx
import psutil
import pytest

pytest.importorskip("setuptools", minversion="77", reason="builds a wheel without a network")

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("sslcore", "pages", "docs", ".streamlit")
FILES = ("app.py", "setup.py", "pyproject.toml", "requirements.txt", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder as an installation fills it."""
    source, wheels, made = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "site"))
    for name in PARTS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.png"))
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    build += ["--disable-pip-version-check"]
    subprocess.run([*build, "-w", str(wheels), str(source)], check=True, capture_output=True, timeout=200)
    (wheel,) = wheels.glob("labelloom-*.whl")
    with zipfile.ZipFile(wheel) as held:
        held.extractall(made)
    return made


@pytest.fixture
def elsewhere(site, tmp_path):
    """The environment of somebody who installed it and stands in a folder of their own."""
    kept = {name: value for name, value in os.environ.items() if name != "LABELLOOM_HOME"}
    return {**kept, "PYTHONPATH": str(site), "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}


def test_it_carries_all_modules_assets_and_figures(site):
    def files(folder, *endings):
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in endings}

    assert files(site / "sslcore" / "_app" / "pages", ".py", ".js", ".css") == files(
        ROOT / "pages", ".py", ".js", ".css"
    )
    library = {name for name in files(site / "sslcore", ".py") if not name.startswith("_app/")}
    assert library == files(ROOT / "sslcore", ".py")
    assert sorted(path.name for path in (site / "sslcore" / "_app").glob("*.py")) == ["app.py"]
    assert [path.name for path in site.iterdir() if not path.name.startswith("labelloom-")] == ["sslcore"]


def test_the_advisor_finds_its_figures(elsewhere, tmp_path):
    ask = (
        "from sslcore.training import measured as m; from sslcore.store import home;"
        "print(len(m.scores()), sorted({key[0] for key in m.together()}), home(), sep='|')"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask], env=elsewhere, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    count, together, home = done.stdout.strip().split("|")
    assert int(count) > 100
    assert together == "['image', 'text']"
    assert Path(home) == tmp_path / ".labelloom"


def test_the_app_starts_anywhere_and_listens_to_this_machine_alone(elsewhere, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "sslcore", "app", "--port", str(port)]
    log = (tmp_path / "app.log").open("wb")
    running = subprocess.Popen(command, env=elsewhere, cwd=tmp_path, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 120
        while not _answers(port):
            assert running.poll() is None, (tmp_path / "app.log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "app.log").read_text()
            time.sleep(0.3)
        held = psutil.Process(running.pid).net_connections()
        listening = [connection.laddr.ip for connection in held if connection.status == psutil.CONN_LISTEN]
        assert listening == ["127.0.0.1"]
        assert httpx.get(f"http://127.0.0.1:{port}/label", timeout=30).status_code == 200
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(30)
        log.close()


def _answers(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
