"""Out of memory: halved batches, to the end of the run and over a resumption."""

import pytest
import torch

from sslcore.errors import TrainingError
from sslcore.methods.fixmatch import FixMatch
from sslcore.methods.supervised import Supervised
from sslcore.models.feature_mlp import FeatureMLP
from sslcore.training.checkpoint import read_checkpoint
from sslcore.training.data import TrainingData
from sslcore.training.memory import halved, out_of_memory
from sslcore.training.run import CHECKPOINT, train
from sslcore.training.valued import Valued
from tests.training.test_run import KilledError, Killer
from tests.training.test_valued import POINT_ND, tasks
from tests.training.toys import Remember, blobs, recipe

CPU = "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: 9 bytes"


def small_memory(monkeypatch, rows, error):
    """Networks that hold at most so many rows at once while they train."""
    honest, seen = FeatureMLP.encode, []

    def encode(self, feature_BD):
        if self.training:
            seen.append(len(feature_BD))
            if len(feature_BD) > rows:
                raise error
        return honest(self, feature_BD)

    monkeypatch.setattr(FeatureMLP, "encode", encode)
    return seen


@pytest.mark.parametrize(
    "error", [RuntimeError(CPU), torch.OutOfMemoryError("CUDA out of memory"), MemoryError()]
)
def test_the_batch_is_halved_and_the_run_goes_on(error, monkeypatch, tmp_path):
    seen = small_memory(monkeypatch, 12, error)
    told = Remember()
    settings = recipe(steps=5, evaluate_every_s=0.0, labels_first=0)  # 8 + 32 rows from the first step on
    out = train(settings, blobs(), told, folder=tmp_path)
    assert out.steps == 5
    assert seen[-1] <= 12
    facts = read_checkpoint(tmp_path / CHECKPOINT)[1]
    assert facts["sizes"] == [2, 8]
    assert facts["slower"] == pytest.approx(0.25)
    note = " ".join(out.metrics["notes"])
    assert "8 labelled and 32 unlabelled" in note
    assert "2 and 8" in note
    rates = [value for _, name, value, _ in told.rows if name == "learning_rate"]
    assert max(rates) <= 0.25 * 0.01


def test_a_resumed_run_keeps_the_smaller_batch(monkeypatch, tmp_path):
    settings = recipe(steps=8, evaluate_every_s=0.0, checkpoint_every_s=0.0)
    small_memory(monkeypatch, 20, RuntimeError(CPU))
    train(settings, blobs(), Remember(), folder=tmp_path / "whole")
    with pytest.raises(KilledError):
        train(settings, blobs(), Killer(at=5), folder=tmp_path / "killed")
    monkeypatch.undo()  # as much memory as one likes: the size is the checkpoint's
    out = train(settings, blobs(), Remember(), folder=tmp_path / "killed", resume=True)
    whole, _ = read_checkpoint(tmp_path / "whole" / CHECKPOINT)
    again, facts = read_checkpoint(tmp_path / "killed" / CHECKPOINT)
    assert facts["sizes"] == [4, 16]
    assert "Memory ran out" in " ".join(out.metrics["notes"])
    assert [name for name in whole if not torch.equal(whole[name], again[name])] == []


def test_tasks_beside_the_method_are_halved_and_resumed_with_the_others(monkeypatch, tmp_path):
    sizes = []
    honest = Valued.losses

    def losses(self, network, batch, **more):
        sizes.append((len(batch.view_B), len(batch.weak_U)))
        return honest(self, network, batch, **more)

    monkeypatch.setattr(Valued, "losses", losses)
    small_memory(monkeypatch, 20, RuntimeError(CPU))
    held = [task for task in tasks() if task.kind != "multiple"]  # one of classes, one of numbers
    data = TrainingData("text", held, feature_ND=POINT_ND)
    settings = recipe(batch=32, steps=4, evaluate_every_s=0.0, checkpoint_every_s=0.0, labels_first=0)
    train(settings, data, Remember(), folder=tmp_path / "whole")
    assert sizes[-1] == (2, 16)  # 32 and 128 halved three times, and of the 4 labelled ones a half
    with pytest.raises(KilledError):
        train(settings, data, Killer(at=3), folder=tmp_path / "killed")
    monkeypatch.undo()
    monkeypatch.setattr(Valued, "losses", losses)
    train(settings, data, Remember(), folder=tmp_path / "killed", resume=True)
    assert sizes[-1] == (2, 16)
    whole, again = (read_checkpoint(tmp_path / name / CHECKPOINT)[0] for name in ("whole", "killed"))
    assert [name for name in whole if not torch.equal(whole[name], again[name])] == []


def test_no_room_for_one_item_is_said(monkeypatch, tmp_path):
    small_memory(monkeypatch, 0, RuntimeError(CPU))
    with pytest.raises(TrainingError, match="one item in a batch"):
        train(recipe(steps=2), blobs(), Remember(), folder=tmp_path)


def test_other_errors_are_not_taken_for_it(monkeypatch, tmp_path):
    def broken(self, *given):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    for method in (FixMatch, Supervised):
        monkeypatch.setattr(method, "unlabelled", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        train(recipe(steps=2), blobs(), Remember(), folder=tmp_path)
    assert not out_of_memory(KeyError("DefaultCPUAllocator: can't allocate memory"))


def test_halving_ends_at_one():
    sizes, seen = (16, 112), []
    while max(sizes) > 1:
        sizes = halved(sizes)
        seen.append(sizes)
    assert seen[0] == (8, 56)
    assert seen[-1] == (1, 1)
    assert halved((16, 0)) == (8, 0)
    with pytest.raises(TrainingError):
        halved((1, 1))
