"""Tasks that correct each other in the instant loop."""

import hashlib

import numpy as np
import pytest

from sslcore.store import Event, NewItem, NewLabel, Store
from sslcore.workbench import Workbench
from tests.browser.harness import compute_features

FINE = ("hawk", "robin", "trout", "shark", "viper", "gecko")
COARSE = ("bird", "fish", "reptile")
ITEMS, POOR = 240, 30


@pytest.fixture
def bench(tmp_path):
    """Texts whose words tell the coarse class well and the fine one badly; few fine labels, many coarse."""
    rng = np.random.default_rng(0)
    store = Store.create(tmp_path / "animals", modality="text")
    fine_N = rng.integers(6, size=ITEMS)
    with store.importing() as batch:
        batch.ensure_task("fine", kind="single", classes=FINE)
        batch.ensure_task("coarse", kind="single", classes=COARSE)
        items = []
        for row, fine in enumerate(fine_N.tolist()):
            hints = [f"w{fine if rng.random() < 0.4 else rng.integers(6)}" for _ in range(4)]
            text = " ".join([*hints, f"number{row}"])
            labels = {"coarse": NewLabel(COARSE[fine // 2])} if row < 200 else {}
            if row < POOR:
                labels["fine"] = NewLabel(FINE[fine])
            digest = hashlib.sha256(text.encode()).hexdigest()
            items.append(NewItem(key=f"a{row:04d}", text=text, sha256=digest, labels=labels))
        batch.add(items)
    compute_features(store, "tfidf")
    store.close()
    opened = Workbench.open("animals", root=tmp_path)
    yield opened, fine_N
    opened.close()


def test_a_poor_task_is_corrected_by_a_rich_one_and_says_so(bench):
    opened, fine_N = bench
    snapshot = opened.snapshot(opened.task("fine"))
    assert "“coarse”" in snapshot.result.reason
    assert snapshot.result.weights["task coarse"] > 0
    known = slice(POOR, 200)
    alone_NC = opened.live._fitted[opened.task("fine").id][1].proba_NC
    corrected, alone = ((proba.argmax(1) == fine_N)[known].mean() for proba in (snapshot.proba_NC, alone_NC))
    assert corrected > alone + 0.05
    coarse = opened.snapshot(opened.task("coarse"))
    assert coarse.result is not None


def test_a_label_of_the_other_task_moves_this_one(bench):
    opened, fine_N = bench
    task, other = opened.task("fine"), opened.task("coarse")
    before = opened.snapshot(task)
    # one of which the machine knows what kind it is: a label that says otherwise has something to move
    right_N = np.array(
        [before.proba_NC[row, 2 * (c // 2) : 2 * (c // 2) + 2].sum() for row, c in enumerate(fine_N)]
    )
    row = 200 + int(right_N[200:].argmax())
    wrong = (int(fine_N[row]) // 2 + 1) % 3
    version = opened.record(
        [Event(client="c", seq=1, verb="label", task_id=other.id, item_ids=[row + 1], value=wrong)]
    )
    after = opened.live.wait(task.id, version=version)
    within = slice(2 * wrong, 2 * wrong + 2)
    assert after.proba_NC[row, within].sum() > before.proba_NC[row, within].sum() + 0.05
