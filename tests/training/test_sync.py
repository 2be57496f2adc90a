"""Nothing in a step reads a value of a tensor: on a GPU each such read would stall the step."""

import pytest
import torch

from sslcore.methods import METHODS
from sslcore.training.run import _Run
from tests.training.toys import Remember, blobs, digits, recipe

READS = ("item", "cpu", "tolist", "numpy", "__float__", "__bool__", "__int__", "__index__", "nonzero")


class ReadError(AssertionError):
    pass


@pytest.fixture
def unreadable(monkeypatch):
    """Forbids reading tensors from now on."""

    def forbid():
        def refuse(name):
            def read(self, *given, **named):
                raise ReadError(f"Tensor.{name} in a step")

            return read

        for name in READS:
            monkeypatch.setattr(torch.Tensor, name, refuse(name))

    yield forbid
    monkeypatch.undo()


def a_run(name, data, folder, **settings):
    settings = {"labels_first": 0} | settings
    run = _Run(recipe(name, steps=50, **settings), data, Remember(), folder)
    run._step()  # what is made once may be read once
    return run


@pytest.mark.parametrize("data", [blobs, digits])
@pytest.mark.parametrize("name", METHODS.names())
def test_no_method_reads_in_a_step(name, data, tmp_path, unreadable):
    run = a_run(name, data(), tmp_path, batch=4, unlabelled_ratio=2)
    unreadable()
    for _ in range(2):
        run._step()


def test_no_step_of_labels_alone_reads_either(tmp_path, unreadable):
    run = a_run("fixmatch", blobs(), tmp_path, labels_first=0.06)
    unreadable()
    for _ in range(3):
        run._step()
    assert run.opening.end == 3


def test_the_trap_works(tmp_path, unreadable, monkeypatch):
    run = a_run("fixmatch", blobs(), tmp_path)
    honest = run.method.trust

    def trust(task, proba_UC):
        if proba_UC.max() > 2:
            raise AssertionError
        return honest(task, proba_UC)

    monkeypatch.setattr(run.method, "trust", trust)
    unreadable()
    with pytest.raises(ReadError, match="__bool__"):
        run._step()
