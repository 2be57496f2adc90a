import hashlib

import numpy as np
import pytest

from sslcore.errors import DataError, ProjectNotFoundError, SourceUnavailableError, UnknownNameError
from sslcore.features import Items
from sslcore.features.cache import FeatureCache
from sslcore.jobs.learned import encoder_of, learned_encoders
from sslcore.store import NewItem, Store
from sslcore.workbench import Workbench
from tests.features.sets import digit_files

from .test_train import digits, queue, work  # noqa: F401 (a fixture)

STEPS = {"steps": 20, "batch": 16, "unlabelled_ratio": 1, "evaluate_every_s": 60, "device": "cpu"}
SMALL = {"train_config": STEPS | {"backbone": "small_cnn", "image_size": 8}}


@pytest.fixture
def trained(digits):  # noqa: F811
    """A project with a finished run on its images."""
    store, _ = digits
    run = queue(store, **SMALL)
    work(store)
    assert store.runs.get(run).status == "done", store.runs.get(run).error
    return store, run


@pytest.fixture
def neighbour(trained):
    """Another project of the same home: 30 of the digits, nothing labelled."""
    store = Store.create(trained[0].folder.parent / "others", modality="image")
    paths, _ = digit_files(store.folder / "media", 30)
    with store.importing() as batch:
        batch.ensure_task("digit", kind="single", classes=["a", "b"])
        batch.add(
            [
                NewItem(key=path.name, media=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
                for path in paths
            ]
        )
    yield store
    store.close()


def test_a_model_of_one_project_encodes_the_next(trained, neighbour):
    store, run = trained
    name = f"run:{store.folder.name}:{run}"
    assert [learned.name for learned in learned_encoders(store.folder.parent, "image")] == [name]
    assert learned_encoders(store.folder.parent, "text") == []
    neighbour.runs.add("features", {"encoder": name})
    work(neighbour)
    feature_ND = FeatureCache(neighbour.folder).load(name).feature_ND
    assert feature_ND.shape == (30, 128)
    # the very same files are the first of the other project: the run said the same of them
    said_ND = np.load(store.folder / "runs" / str(run) / "features.npy", allow_pickle=False)[:30]
    assert np.allclose(feature_ND.astype(np.float32), said_ND.astype(np.float32), atol=0.02)


def test_the_loop_prefers_another_projects_model_and_leaves_its_own_aside(trained, neighbour, monkeypatch):
    monkeypatch.setattr("sslcore.jobs.launch.ensure_worker", lambda *told: None)
    store, run = trained
    name = f"run:{store.folder.name}:{run}"
    for project in (store, neighbour):
        bench = Workbench(project)
        assert [learned.name for learned in bench.data.learned_encoders()] == [name]
        bench.data.add_encoder(name)
        work(project)
        assert bench.data.learned_encoders() == []
        assert name in [source.encoder for source in bench.map.sources()]
    assert Workbench(neighbour).trusted_encoders()[1] == name
    assert name in Workbench(store).encoders()
    assert name not in Workbench(store).trusted_encoders()


def test_its_own_features_are_taken_over_and_new_items_are_computed(trained):
    store, run = trained
    name = f"run:{store.folder.name}:{run}"
    path = store.folder / "runs" / str(run) / "features.npy"
    held_ND = np.load(path, allow_pickle=False)
    marked_ND = held_ND.copy()
    marked_ND[3] = 7.0
    np.save(path, marked_ND[:100])  # as if 20 items had come after the run
    encoder = encoder_of(name, store.folder)
    items = Items.of_images(store.media_paths())
    blocks = encoder.blocks(items, plan=encoder.plan(items), start=0, tick=lambda done: None)
    found_ND = np.concatenate(list(blocks))
    assert (found_ND[3] == 7.0).all()
    assert np.allclose(found_ND[100:], held_ND[100:].astype(np.float32), atol=0.02)


def test_what_cannot_be_is_refused_with_the_reason(trained, neighbour):
    store, run = trained
    project = store.folder.name
    with pytest.raises(UnknownNameError, match="run:PROJECT:ID"):
        encoder_of("run:nonsense", store.folder)
    with pytest.raises(ProjectNotFoundError, match="No project is named 'nowhere'"):
        encoder_of("run:nowhere:1", store.folder)
    with pytest.raises(SourceUnavailableError, match="no model that can be read"):
        encoder_of(f"run:{project}:99", store.folder)
    texts = Store.create(store.folder.parent / "texts", modality="text")
    with pytest.raises(DataError, match="reads images"):
        Workbench(texts).data.add_encoder(f"run:{project}:{run}")
    texts.close()
