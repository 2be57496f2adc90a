import hashlib

import numpy as np
import pytest

from sslcore.features.cache import FeatureCache
from sslcore.files import make_folder
from sslcore.jobs.images import cached_images
from sslcore.jobs.job import Job
from sslcore.jobs.kinds.train import training_data
from sslcore.jobs.worker import main
from sslcore.store import Event, NewItem, NewLabel, Store
from sslcore.training.recipe import Recipe
from tests.features.sets import colour_files, digit_files

SETTINGS = {"steps": 60, "batch": 16, "unlabelled_ratio": 2, "evaluate_every_s": 0.2, "device": "cpu"}
AUDIT = range(60, 90)


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """120 digit images with an answer key: 60 labels to train on, 30 for the audit, 30 open."""
    monkeypatch.setattr(Job, "give_way", lambda self: None)  # the worker runs in this process here
    store = Store.create(tmp_path / "digits", modality="image")
    paths, target = digit_files(store.folder / "media", 120)
    names = [str(c) for c in range(10)]
    with store.importing() as batch:
        batch.ensure_task("digit", kind="single", classes=names)
        batch.add(
            [
                NewItem(
                    key=path.name,
                    media=path.name,
                    sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                    labels={
                        "digit": NewLabel(names[target[row]], purpose="audit" if row in AUDIT else "train")
                    }
                    if row < 90
                    else {},
                    answers={"digit": names[target[row]]},
                )
                for row, path in enumerate(paths)
            ]
        )
    yield store, target
    store.close()


def work(store):
    command = ["--home", str(store.folder.parent), "--project", store.folder.name, "--until-idle"]
    assert main(command) == 0


def queue(store, **choices):
    recipe = Recipe.parse({"method": "supervised", "train_config": SETTINGS} | choices)
    newest = store.annotations.newest()
    return store.runs.add("train", recipe.as_dict() | {"tasks": ["digit"]}, labels_upto=newest)


def test_a_run_leaves_predictions_figures_and_a_model(digits):
    store, target = digits
    store.runs.add("features", {"encoder": "pixels"})
    run_id = queue(store)
    work(store)
    run = store.runs.get(run_id)
    assert run.status == "done", run.error
    folder, task = store.folder / "runs" / str(run_id), store.task("digit")
    proba_NC = np.load(folder / f"proba_{task.id}.npy", allow_pickle=False)
    assert (proba_NC.shape, proba_NC.dtype) == ((120, 10), np.float16)
    assert np.allclose(proba_NC.astype(np.float32).sum(axis=1), 1, atol=0.01)
    assert len(np.load(folder / "features.npy", allow_pickle=False)) == 120
    said_N = proba_NC.argmax(axis=1)
    assert run.result["audit_accuracy"] == pytest.approx((said_N == target)[list(AUDIT)].mean(), abs=1e-6)
    assert run.result["key_accuracy"] == pytest.approx((said_N == target)[90:].mean(), abs=1e-6)
    assert run.result["steps"] == 60
    names = {metric.name for metric in store.runs.metrics(run_id)}
    assert {"loss", "audit_accuracy", "key_accuracy"} <= names
    assert run.progress["done"] == run.progress["total"] == 60

    from sslcore.training.bundle import load_bundle

    images = cached_images(store.folder, store.media_paths(), size=16)
    again_NC = load_bundle(folder / "model").predict_proba(images)["digit"]
    assert np.abs(again_NC - proba_NC).max() < 2e-3


def test_the_run_sees_the_labels_of_its_time_and_never_the_audit(digits):
    store, target = digits
    task, upto = store.task("digit"), store.annotations.newest()
    late = Event(client="page", seq=1, verb="label", task_id=task.id, item_ids=(110,), value=3)
    flag = Event(client="page", seq=2, verb="flag", task_id=task.id, item_ids=(1,))
    store.annotations.append([late])
    recipe = Recipe.parse({"method": "supervised", "train_config": SETTINGS})

    def seen(labels_upto):
        run = store.runs.get(
            store.runs.add("train", recipe.as_dict() | {"tasks": ["digit"]}, labels_upto=labels_upto)
        )
        from sslcore.store.fold import LabelState

        folder = make_folder(store.folder, "runs", str(run.id))
        job = Job(run, store, folder)
        return training_data(job, recipe, [LabelState(store, upto=labels_upto)[task.id]])

    then, now = seen(upto), seen(store.annotations.newest())
    assert then.tasks[0].label_N[109] == -1
    assert now.tasks[0].label_N[109] == 3
    assert (then.tasks[0].label_N[list(AUDIT)] == -1).all()
    assert then.tasks[0].audit_row_A.tolist() == list(AUDIT)
    assert np.array_equal(then.tasks[0].audit_label_A, target[list(AUDIT)])
    assert np.array_equal(then.key_N["digit"], target)
    assert not then.excluded_N.any()
    store.annotations.append([flag])
    assert np.flatnonzero(seen(store.annotations.newest()).excluded_N).tolist() == [0]


def test_frozen_features_and_the_head_to_compare_with(digits):
    store, _ = digits
    store.runs.add("features", {"encoder": "pixels"})
    run_id = queue(store, encoder="pixels")
    work(store)
    run = store.runs.get(run_id)
    assert run.status == "done", run.error
    assert FeatureCache(store.folder).is_complete("pixels", 120)
    assert run.result["audit_accuracy"] > 0.5
    early = queue(store, encoder="efficientnet_lite0")
    work(store)
    assert "features of 'efficientnet_lite0' are not complete" in store.runs.get(early).error


def test_images_are_decoded_once_and_new_ones_added(tmp_path):
    paths = colour_files(tmp_path / "media", 6, 40)
    first = np.array(cached_images(tmp_path, paths[:4], size=32))
    assert first.shape == (4, 3, 32, 32)
    stages = []
    whole = cached_images(tmp_path, paths, size=32, report=lambda stage, done, total: stages.append(done))
    assert stages == [4]
    assert np.array_equal(whole[:4], first)
    cached_images(tmp_path, paths, size=32, report=lambda stage, done, total: stages.append(done))
    assert stages == [4]


def test_a_bad_batch_is_named_by_its_items(digits, monkeypatch):
    from sslcore.methods.supervised import Supervised

    def beside(self, model, seen_T, batch, at, rng):
        return seen_T[0].logits["labelled"].sum() * (float("nan") if at.step == 3 else 0.0)

    monkeypatch.setattr(Supervised, "beside", beside)
    store, _ = digits
    run_id = queue(store)
    work(store)
    run = store.runs.get(run_id)
    assert run.status == "failed"
    assert "NaN or infinite at step 3" in run.error
    keys = {item.key for item in store.items()[:60]}
    named = run.error.partition("Items of that batch: ")[2].rstrip(".").split(", ")
    assert len(named) == 16
    assert set(named) <= keys


@pytest.mark.slow
def test_a_run_on_two_processes_leaves_what_one_leaves(digits):
    store, target = digits
    settings = SETTINGS | {"devices": 2, "steps": 30, "backbone": "small_cnn"}
    run_id = queue(store, train_config=settings)
    work(store)
    run = store.runs.get(run_id)
    assert run.status == "done", run.error
    folder, task = store.folder / "runs" / str(run_id), store.task("digit")
    said_N = np.load(folder / f"proba_{task.id}.npy", allow_pickle=False).argmax(axis=1)
    assert run.result["audit_accuracy"] == pytest.approx((said_N == target)[list(AUDIT)].mean(), abs=1e-6)
    assert {"loss", "audit_accuracy"} <= {metric.name for metric in store.runs.metrics(run_id)}
    assert not (folder / "stop").exists()
