"""Replays as background runs: started once, stopped and resumed, kept, and the same never computed twice."""

import json

import pytest

from sslcore import commands
from sslcore.__main__ import main
from sslcore.errors import ConfigError, DataError, StoreError, UnknownNameError
from sslcore.jobs import launch
from sslcore.jobs.job import Job
from sslcore.jobs.kinds import simulation as kind
from sslcore.jobs.worker import Worker
from sslcore.workbench import Workbench
from tests.browser.harness import make_text_project

QUERIES, MODELS = (
    [{"name": n} for n in ("auto", "margin", "random")],
    [{"name": n} for n in ("auto", "linear")],
)


@pytest.fixture
def open_bench(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "ensure_worker", lambda home, project: None)
    monkeypatch.setattr(Job, "give_way", lambda self: None)  # the worker is this process here
    monkeypatch.setattr("sslcore.choices.queries", lambda: QUERIES)
    monkeypatch.setattr("sslcore.choices.methods", lambda family: MODELS)
    held = []

    def open_project(**how):
        make_text_project(tmp_path, f"p{len(held)}", n=80, **how).close()
        held.append(Workbench.open(f"p{len(held)}", root=tmp_path))
        return held[-1]

    yield open_project
    for bench in held:
        bench.close()


@pytest.fixture
def bench(open_bench):
    return open_bench()


@pytest.fixture
def computed(monkeypatch):
    """What was really replayed."""
    seen, real = [], kind.replay

    def counted(*args, **how):
        seen.append((how["strategy"], how["model"], how["seed"]))
        return real(*args, **how)

    monkeypatch.setattr(kind, "replay", counted)
    return seen


def work(bench):
    Worker(bench.store, idle=0.0).work()


def start(bench, strategies=("margin",), models=("linear",), **how):
    return bench.simulation.start(bench.task(), strategies, models, **{"budget": 20, "seeds": 2} | how)


def test_a_simulation_is_a_run_with_curves_and_figures(bench, computed):
    run_id = start(bench)
    assert bench.simulation.result(run_id) is None
    assert bench.simulation.run(run_id).title == "margin by linear · 20 labels · 2 seeds"
    work(bench)
    assert bench.store.runs.get(run_id).error is None
    assert sorted(computed) == [(s, "linear", seed) for s in ("margin", "random") for seed in (0, 1)]
    result = bench.simulation.result(run_id)
    names = ["margin by linear", "margin: head alone", "random by linear", "random: head alone"]
    assert [line["name"] for line in result["lines"]] == names
    assert (result["replays"], result["computed"]) == (4, 4)
    last = {}
    for _, labels, name, _, value in bench.simulation.points(run_id):
        last[name, labels] = value
    for line in result["lines"]:
        for at, labels in enumerate(line["labels"]):
            assert last[line["name"], labels] == pytest.approx(line["mean"][at])
            assert last[f"{line['name']}/low", labels] == pytest.approx(line["low"][at])
    status = next(run for run in bench.status()["runs"] if run["id"] == run_id)
    assert (status["kind"], status["status"]) == ("simulation", "done")
    assert bench.train.runs() == []


def test_the_same_again_is_the_same_run_and_a_replay_is_never_computed_twice(bench, computed):
    run_id = start(bench)
    assert start(bench) == run_id  # while it waits
    work(bench)
    assert start(bench) == run_id
    assert len(bench.simulation.runs()) == 1
    computed.clear()
    more = start(bench, ("auto",), seeds=3)
    work(bench)
    assert sorted(computed) == [
        ("auto", "linear", 0),
        ("auto", "linear", 1),
        ("auto", "linear", 2),
        ("random", "linear", 2),
    ]
    assert bench.simulation.result(more)["computed"] == 4
    assert [card.id for card in bench.simulation.runs(bench.task())] == [more, run_id]


def test_a_stopped_simulation_goes_on_with_the_next_seed(bench, computed, monkeypatch):
    run_id = start(bench, seeds=3)
    real = Job.report

    def stopping(job, stage, done, total, *, note=""):
        if len(computed) == 3:
            job.stop()
        real(job, stage, done, total, note=note)

    monkeypatch.setattr(Job, "report", stopping)
    work(bench)
    assert bench.simulation.run(run_id).status == "cancelled"
    monkeypatch.setattr(Job, "report", real)
    done = list(computed[:2])
    computed.clear()
    assert start(bench, seeds=3) == run_id  # the same wish goes on with it
    work(bench)
    assert bench.simulation.run(run_id).status == "done"
    assert not set(done) & set(computed)
    assert len(computed) == 4
    with pytest.raises(StoreError, match="only a failed or cancelled"):
        bench.simulation.resume(run_id)


def test_new_features_make_replays_anew(bench, computed):
    start(bench)
    work(bench)
    before = kind.stamp(bench.store, bench.task(), ["tfidf"])
    meta = bench.folder / "features" / "tfidf" / "meta.json"
    meta.write_text(meta.read_text().replace('"finished": ', '"finished": 1'))
    assert kind.stamp(bench.store, bench.task(), ["tfidf"]) != before
    computed.clear()
    start(bench)
    work(bench)
    assert len(computed) == 4


def test_a_broken_file_is_computed_again(bench, computed):
    start(bench)
    work(bench)
    for path in (bench.folder / "cache" / "replays").iterdir():
        path.write_text("{")
    computed.clear()
    start(bench, seeds=1)
    work(bench)
    assert len(computed) == 2


def test_without_a_key_or_features_it_says_why(open_bench):
    bare = open_bench(key=False)
    assert "no answer key" in bare.simulation.obstacle(bare.task())
    assert "`" not in bare.simulation.obstacle(bare.task()), "a page would show the sign itself"
    assert "demo" in bare.simulation.obstacle(bare.task())
    with pytest.raises(DataError, match="no answer key"):
        start(bare)
    early = open_bench(features=False)
    assert "No features are ready" in early.simulation.obstacle(early.task())


def test_wrong_wishes_are_refused(bench):
    with pytest.raises(UnknownNameError, match="margn"):
        start(bench, ("margn",))
    with pytest.raises(UnknownNameError, match="tfidf"):
        start(bench, views=["nonesuch"])
    with pytest.raises(ConfigError, match="at least one"):
        start(bench, ())
    with pytest.raises(ConfigError, match="budget"):
        start(bench, budget=0)
    with pytest.raises(ConfigError, match="2,000 replays"):
        start(bench, seeds=5000)
    assert bench.simulation.settings(start(bench, budget=500))["budget"] == 80  # no more than there are
    with pytest.raises(StoreError, match="no simulation"):
        bench.simulation.run(bench.store.runs.add("map", {"encoder": "tfidf"}))


def test_the_command_waits_prints_and_plots(bench, computed, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path))
    monkeypatch.setattr(Workbench, "wake", lambda self: work(self))
    words = ["simulate", bench.project, "--strategy", "margin", "--model", "linear", "--budget", "20"]
    words += ["--seeds", "2", "--views", "tfidf"]
    assert main([*words, "--json", "--plot", str(tmp_path / "curves.html")]) == 0
    held = json.loads(capsys.readouterr().out.splitlines()[-1])  # the worker in this process prints, too
    assert [row["labels"] for row in held["curve"]] == [10, 20]
    assert set(held["curve"][0]) == {"labels", "accuracy", "low", "high", "random", "head"}
    assert (held["views"], held["computed"], held["encoder"]) == (["tfidf"], 4, "tfidf")
    assert (tmp_path / "curves.html").stat().st_size > 1_000_000  # plotly is in it
    computed.clear()
    assert main(words) == 0
    out = capsys.readouterr().out
    assert not computed
    assert "margin: head alone" in out
    assert "min to max over seeds (2)" in out
    assert main([*words, "--plot", str(tmp_path / "x.svg")]) == 2


def test_an_interrupted_command_cancels_its_run_and_says_how_to_go_on(bench, monkeypatch, capsys, tmp_path):
    def interrupted(bench, run_id):
        raise KeyboardInterrupt

    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path))
    monkeypatch.setattr(commands, "_follow_simulation", interrupted)
    assert main(["simulate", bench.project, "--model", "linear"]) == 130
    run = bench.simulation.runs()[0]
    assert run.status == "cancelled"
    assert f"--resume {run.id}" in capsys.readouterr().err
