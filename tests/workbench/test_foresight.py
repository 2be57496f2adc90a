"""Nonsense is refused before a run is queued, in the words of the run itself, without torch."""

import re
import subprocess
import sys

import pytest

from sslcore.errors import RecipeError
from sslcore.training import looking
from tests.browser.harness import make_image_project, make_text_project
from tests.workbench.runs import finish

RAW_TEXTS = {"encoder": "none", "train_config": {"minutes": 1}}


@pytest.fixture
def texts(open_bench):
    return open_bench(n=60, labelled=16)


@pytest.fixture
def images(open_bench):
    return open_bench(make_image_project, labelled=12, features=False)


def refused(bench, method="fixmatch", **wish):
    """The reason, the same from the page and from the start; nothing is queued."""
    task = bench.task().name
    told = bench.train.obstacle([task], method, **wish)
    assert told is not None
    before = len(bench.store.runs.list())
    with pytest.raises(RecipeError) as error:
        bench.train.start([task], method=method, **wish)
    assert str(error.value) == told
    assert len(bench.store.runs.list()) == before
    return told


@pytest.mark.parametrize("transfer", ["lora", "frozen", "linear_probe", "l2_sp"])
def test_modes_that_keep_what_is_not_there(images, transfer):
    told = refused(images, fusion={"transfer": transfer})
    assert ("linear layers" if transfer == "lora" else "starts from random weights") in told


def test_a_warm_start_is_knowledge_enough(images):
    fusion = {"transfer": "frozen", "warm_start": "simclr"}
    assert images.train.obstacle(["shape"], "fixmatch", fusion=fusion) is None
    grey = {
        "train_config": {"backbone": "wrn_16_2"},
        "fusion": {"transfer": "lora", "warm_start": "rotation"},
    }
    assert images.train.obstacle(["shape"], "fixmatch", **grey) is None


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"fusion": {"warm_start": "rotation"}}, "Rotation cannot warm a network that reads rows of words"),
        ({"fusion": {"warm_start": "bigan"}}, "BiGAN cannot warm"),
        ({"train_config": {"backbone": "small_cnn"}}, "reads images; this run would give it texts"),
        ({"train_config": {"backbone": "timm:resnet18"}}, "reads images; this run would give it texts"),
        ({"fusion": {"transfer": "distil", "transfer_config": {"teacher": 7}}}, "no run 7.*none yet; 0 is"),
        ({"fusion": {"sharing": "soft"}}, "for several tasks learned together"),
        ({"train_config": {"device": "mps"}}, "has no 'mps' device. It has: cpu"),
        ({"train_config": {"devices": 3}}, "1 device"),
    ],
)
def test_nonsense_on_texts(texts, wish, words, monkeypatch):
    monkeypatch.setattr(looking, "devices", lambda: {"cpu": 1})
    monkeypatch.setattr(looking, "look_up", _looked(looking.look_up))
    assert re.search(words, refused(texts, **RAW_TEXTS | wish))


def _looked(true):
    """Libraries are asked in a child, which takes seconds: here as if it had answered."""
    return lambda name, size=0: looking.Traits("image", knows=True) if ":" in name else true(name, size)


@pytest.mark.parametrize("method", ["ssvae", "sgan", "virtual_samples"])
def test_words_cannot_be_drawn_and_features_can(texts, method):
    assert "choose an encoder" in refused(texts, method, encoder="none")
    assert texts.train.obstacle(["topic"], method, encoder="tfidf") is None


def test_teachers(texts, open_bench):
    def wish(teacher):
        return {"fusion": {"transfer": "distil", "transfer_config": {"teacher": teacher}}}

    run_id = texts.train.start(["topic"], method="supervised")
    assert texts.train.obstacle(["topic"], "supervised", **wish(run_id)) is None  # it will be done by then
    finish(texts, run_id)
    assert texts.train.obstacle(["topic"], "supervised", **wish(run_id)) is None
    texts.store.add_class(texts.task().id, "another")
    texts.live.refresh()
    assert "knows 4 classes of 'topic'; the task has 5 now" in refused(texts, "supervised", **wish(run_id))
    texts.store.runs.add("map", {})
    assert "computes map and has no predictions" in refused(texts, "supervised", **wish(run_id + 1))
    assert texts.train.obstacle(["topic"], "supervised", **wish(0)) is None
    bare = open_bench(n=30, labelled=12, features=False)
    assert "before the features of all items" in refused(bare, "supervised", **wish(0))


def test_a_network_of_a_library_without_its_weights(images, monkeypatch):
    def gone(name, size=0):
        raise RecipeError(f"The weights of {name!r} are not on this machine. Without a network there are: …")

    monkeypatch.setattr(looking, "look_up", gone)
    told = refused(images, train_config={"backbone": "timm:resnet18"})
    assert "not on this machine" in told


def test_the_check_needs_no_torch(tmp_path):
    make_text_project(tmp_path, "texts", n=40, labelled=12).close()
    code = (
        "import sys\nfrom pathlib import Path\nfrom sslcore.workbench import Workbench\n"
        f"bench = Workbench.open('texts', root=Path({str(tmp_path)!r}))\nbench.live.refresh()\n"
        "wish = {'encoder': 'none', 'fusion': {'warm_start': 'rotation'}}\n"
        "print(bench.train.obstacle(['topic'], 'fixmatch', **wish))\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Rotation cannot warm")
