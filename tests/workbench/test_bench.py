"""The workbench shares one open project a process, and opens anew what was put in its place."""

import shutil

import pytest

from sslcore.errors import StoreBusyError
from sslcore.store import LabelState, Store
from sslcore.workbench import Workbench
from tests.browser.harness import make_text_project

LABEL = {"seq": 1, "verb": "label", "task": 1, "items": [3], "value": 2}


def test_one_workbench_a_project(tmp_path, opened):
    make_text_project(tmp_path, "p", n=10).close()
    bench = opened(tmp_path, "p")
    assert Workbench.open("p", root=tmp_path) is bench


@pytest.mark.parametrize("follow", [False, True])
def test_a_project_made_again_is_opened_anew_and_no_label_is_lost(tmp_path, opened, follow):
    make_text_project(tmp_path, "p", n=10).close()
    old = Workbench.open("p", root=tmp_path, follow=follow)
    old.snapshot(old.task())
    shutil.rmtree(tmp_path / "p")
    make_text_project(tmp_path, "p", n=20).close()
    with pytest.raises(StoreBusyError):  # the page keeps what it sent and sends it again
        old.label.take("client-0001", [LABEL], annotator="me")
    bench = opened(tmp_path, "p")
    assert bench is not old
    assert len(bench.snapshot(bench.task()).state.label_N) == 20
    bench.label.take("client-0001", [LABEL], annotator="me")
    old.close()  # late, by a caller that held it still
    assert Workbench.open("p", root=tmp_path) is bench
    assert LabelState(Store(tmp_path / "p"))[1].label_N[2] == 2
