"""The Export page's desk: what is written reads back; a model says how good it is and works on new items."""

import json

import numpy as np
import pytest

from sslcore.bundle import load_bundle
from sslcore.errors import ConfigError, DataError
from sslcore.head_bundle import KIND, HeadModel, distil, load_head, save_head
from sslcore.importing import import_source
from sslcore.store import Event, LabelState, Store
from sslcore.workbench import Workbench
from tests.browser.harness import make_image_project, make_text_project
from tests.many_tasks import make_reviews


@pytest.fixture
def bench(tmp_path):
    make_text_project(tmp_path, "texts", n=80, labelled=12).close()
    opened = Workbench.open("texts", root=tmp_path)
    yield opened
    opened.close()


def audit(bench, rows):
    bench.record(
        [
            Event("a", i + 1, "label", task_id=1, item_ids=[row + 1], value=row % 4, purpose="audit")
            for i, row in enumerate(rows)
        ]
    )
    bench.live.refresh()


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_what_is_written_reads_back(bench, tmp_path, format):
    bench.record([Event("h", 1, "label", task_id=1, item_ids=[30], value=2, annotator="ada")])
    bench.record([Event("h", 2, "accept", task_id=1, item_ids=[31, 32], values=[1, 2], source="bulk")])
    bench.live.refresh()
    out = tmp_path / f"out.{format}"
    report = bench.export.write(format, out)
    assert report.items == 80
    assert report.labels["topic"] == {"human": 1, "bulk": 2, "pseudo": 65, "imported": 12}
    again = Store.create(tmp_path / "again", modality="text")
    import_source(again, out)
    mine, theirs = LabelState(bench.store)[1], LabelState(again)[1]
    names, others = mine.task.class_names, theirs.task.class_names
    assert [names[c] if c >= 0 else None for c in mine.label_N] == [
        others[c] if c >= 0 else None for c in theirs.label_N
    ]
    np.testing.assert_array_equal(mine.source_N, theirs.source_N)
    assert theirs.annotator[29] == "ada"


def test_unsure_pseudo_labels_can_stay_at_home(bench, tmp_path):
    task = bench.task()
    snapshot = bench.snapshot(task)
    bar = float(np.median(snapshot.confidence_N[snapshot.pseudo_N]))
    counts = bench.export.counts(task, min_confidence=bar)
    out = tmp_path / "sure.jsonl"
    report = bench.export.write("jsonl", out, min_confidence=bar)
    assert report.labels["topic"]["pseudo"] == counts["pseudo"] < 68
    for line in out.read_text().splitlines():
        row = json.loads(line)
        if row["topic__source"] == "pseudo":
            assert row["topic__confidence"] >= bar - 1e-5


def test_numbers_are_counted_as_they_are_written(tmp_path):
    make_reviews(tmp_path, "reviews", n=100, labelled=40).close()
    bench = Workbench.open("reviews", root=tmp_path)
    counts = bench.export.counts(bench.task("score"), min_confidence=0.5)
    report = bench.export.write("jsonl", tmp_path / "o.jsonl", min_confidence=0.5)
    assert counts == {"human": 0, "bulk": 0, "pseudo": 60, "imported": 40, "without": 0}
    assert report.labels["score"] == {"pseudo": 60, "imported": 40}
    bench.close()


def test_labels_alone(bench, tmp_path):
    report = bench.export.write("csv", tmp_path / "o.csv", include=("imported",))
    assert report.labels["topic"] == {"imported": 12}
    with pytest.raises(ConfigError, match="rumour"):
        bench.export.write("csv", tmp_path / "o.csv", include=("rumour",))


def test_predictions_are_labels_first(bench):
    rows = bench.export.predictions(bench.task())
    assert len(rows) == 80
    assert [row["source"] for row in rows[:12]] == ["imported"] * 12
    assert rows[0]["confidence"] is None
    assert all(0 < row["confidence"] <= 1 for row in rows[12:])


def test_the_model_stands_on_a_packaged_encoder_and_says_how_good_it_is(bench, tmp_path, monkeypatch):
    monkeypatch.setattr("sslcore.workbench.export.PREFERRED", {"text": ("tfidf", "tfidf")})
    audit(bench, range(40, 64))
    report = bench.export.write("model", tmp_path / "model")
    assert report.audit_size == 24
    assert report.audit_accuracy > 0.8
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"model.safetensors", "labels.json", "preprocess.json", "card.md"}
    card = (tmp_path / "model" / "card.md").read_text()
    assert "24 audit items" in card
    assert "12 imported" in card
    model = load_bundle(tmp_path / "model")
    snapshot = bench.snapshot(bench.task())
    proba_NC = model.proba_of_features(np.asarray(snapshot.view.feature_ND))
    assert (proba_NC.argmax(axis=1) == snapshot.prediction_N).mean() > 0.9
    with pytest.raises(DataError, match="already"):
        bench.export.write("model", tmp_path / "model")


def test_no_model_before_its_encoder_is_ready(bench, tmp_path):
    assert "minilm" in bench.export.model_doubt(bench.task())
    with pytest.raises(DataError, match="minilm"):
        bench.export.write("model", tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_downloads_of_images_are_one_zip(tmp_path):
    import zipfile

    make_image_project(tmp_path, "pictures", n=9, labelled=6).close()
    bench = Workbench.open("pictures", root=tmp_path)
    name, path = bench.export.download("csv")
    assert name.endswith(".zip")
    with zipfile.ZipFile(path) as archive:
        assert sum(n.endswith(".png") for n in archive.namelist()) == 9
        assert sum(n.endswith(".csv") for n in archive.namelist()) == 1
    name, path = bench.export.download("image_folder")
    with zipfile.ZipFile(path) as archive:
        assert sum("disc/" in n for n in archive.namelist()) >= 2
    held = tmp_path / ".downloads"
    assert [p.suffix for p in held.rglob("*") if p.is_file()] == [".zip", ".zip"]
    bench.close()


def test_downloads_leave_when_put_away_and_after_a_day(bench, tmp_path, monkeypatch):
    name, path = bench.export.download("csv")
    assert (path.name, path.is_file()) == (name, True)
    bench.export.put_away(tmp_path / "texts" / "project.db")
    assert (tmp_path / "texts" / "project.db").is_file()
    bench.export.put_away(path)
    held = tmp_path / ".downloads"
    assert not list(held.iterdir())
    with pytest.raises(ConfigError):
        bench.export.download("csv", include=("rumour",))
    assert not list(held.iterdir())
    _, old = bench.export.download("csv")
    monkeypatch.setattr("sslcore.workbench.export.DOWNLOADS_KEPT_SECONDS", -1.0)
    _, new = bench.export.download("jsonl")
    assert not old.exists()
    assert new.is_file()


def test_the_distilled_layer_is_the_best_layer():
    """Law: distilling what a layer says gives that layer's answers back."""
    from sslcore.instant.view import View

    rng = np.random.default_rng(0)
    view = View("toy", rng.normal(size=(300, 5)).astype(np.float32), None)
    logits_NC = view.head_ND @ rng.normal(size=(5, 3)) * 3
    proba_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    weight_HC, bias_C = distil(view, proba_NC, penalty=0.0)
    again_NC = np.exp(view.head_ND @ weight_HC + bias_C)
    np.testing.assert_allclose(again_NC / again_NC.sum(axis=1, keepdims=True), proba_NC, atol=5e-3)


def test_bundles_that_are_none(tmp_path):
    with pytest.raises(DataError, match="No model"):
        load_bundle(tmp_path)
    (tmp_path / "preprocess.json").write_text('{"kind": "other"}')
    (tmp_path / "labels.json").write_text("[]")
    model = HeadModel(np.zeros(2), None, np.zeros((2, 2)), np.zeros(2), ("a", "b"), "minilm", {}, "text")
    save_head(tmp_path / "m", model, card="x")
    assert load_head(tmp_path / "m").classes == ("a", "b")
    assert json.loads((tmp_path / "m" / "preprocess.json").read_text())["kind"] == KIND
    assert load_bundle(tmp_path / "m").predict_proba([]).shape == (0, 2)
