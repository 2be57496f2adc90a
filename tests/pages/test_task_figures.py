"""The table of models of sets and numbers."""

import pytest

from pages.components.task_figures import SHOWN, _row
from sslcore.jobs import launch
from sslcore.task_metrics import TITLES
from sslcore.workbench import Workbench
from tests.many_tasks import answer, make_digits, make_reviews


@pytest.mark.parametrize(("make", "name"), [(make_digits, "shape"), (make_reviews, "score")])
def test_what_a_figure_rests_on_stands_right_behind_it(tmp_path, monkeypatch, make, name):
    monkeypatch.setattr(launch, "ensure_worker", lambda home, project: None)
    make(tmp_path, "p", n=120).close()
    bench = Workbench.open("p", root=tmp_path)
    task = bench.task(name)
    answer(bench, task, range(40))
    place = bench.advice.standings(task)[0]
    held = next(found for found in bench.compare.task_figures(task) if found.candidate.key == place.key)
    cells = _row(place, held, SHOWN[task.kind])
    shown = list(cells)
    assert shown[:2] == ["Rank", "Model"]
    assert shown[2].startswith(TITLES[SHOWN[task.kind][0]])
    assert shown[3] == "Measured on"
    assert cells["Measured on"] == "40 out-of-fold items"
    assert len(cells["Model"]) <= 28
    bench.close()
