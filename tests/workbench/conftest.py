"""Projects for the tests of desks: made on the spot, closed at the end, and no worker starts for them."""

import pytest

from sslcore.jobs import launch
from sslcore.workbench import Workbench
from tests.browser.harness import make_text_project


@pytest.fixture
def wishes(monkeypatch, tmp_path_factory):
    """No worker starts; the projects for which one was wished for are listed."""
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path_factory.getbasetemp()))
    asked = []
    monkeypatch.setattr(launch, "ensure_worker", lambda home, project: asked.append(project))
    return asked


@pytest.fixture
def opened():
    """Opens a project that is there: ``opened(home, name)``."""
    held = []

    def open_project(home, name):
        held.append(Workbench.open(name, root=home))
        return held[-1]

    yield open_project
    for bench in held:
        bench.close()


@pytest.fixture
def open_bench(tmp_path, wishes, opened):
    """Opens one more project; ``make`` is how it is made, texts by default."""
    made = []

    def open_project(make=make_text_project, **how):
        made.append(f"p{len(made)}")
        make(tmp_path, made[-1], **how).close()
        return opened(tmp_path, made[-1])

    return open_project
