"""Several devices: what can be shared, what is refused, and that two processes learn what one does."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from sslcore.methods import METHODS
from sslcore.models import TaskShape
from sslcore.training.fleet import Fleet
from sslcore.training.pool import Pool
from sslcore.training.preprocess import plan
from sslcore.training.recipe import TrainConfig
from tests.training.toys import blobs


class Part(Fleet):
    """One of three, without the others."""

    def __init__(self, rank):
        self.rank, self.size = rank, 3


def test_the_processes_share_each_batch_without_gap_or_overlap():
    import torch

    data, cpu = blobs(), torch.device("cpu")
    how = {"sizes": (8, 31), "seed": 0, "device": cpu}
    whole = [Pool(data, data.tasks, plan(data, TrainConfig(), cpu), fleet=Part(r), **how) for r in range(3)]
    shares = [pool.rows(4, unlabelled=True) for pool in whole]
    assert [len(row_B) for row_B, _ in shares] == [3, 3, 3]
    assert [len(row_U) for _, row_U in shares] == [11, 11, 11]
    alone = Pool(data, data.tasks, plan(data, TrainConfig(), cpu), **(how | {"sizes": (9, 33)}))
    for part, row_N in enumerate(alone.rows(4, unlabelled=True)):
        assert sorted(np.concatenate([share[part] for share in shares])) == sorted(row_N)


@pytest.mark.parametrize("name", METHODS.names())
def test_a_method_that_remembers_items_says_why_it_stays_on_one_device(name):
    """What survives a step must be floating and no longer than the classes, or a mean is none."""
    entry = METHODS[name]
    method = entry.value(entry.config(), [TaskShape("t", 3)], 997)
    memory = [
        key
        for key, held in method.state.items()
        if not held.is_floating_point() or 997 in held.shape or held.numel() > 3 * 3 * 3
    ]
    assert bool(method.one_device) == bool(memory), memory


@pytest.mark.slow
@pytest.mark.parametrize("method", ["supervised", "freematch"])
def test_two_processes_learn_what_one_does(method, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "tests.training.shared_run", str(tmp_path), "12", method]
    how = {
        "ACCELERATE_USE_CPU": "true",
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        command, check=False, env=os.environ | how, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    two = json.loads((tmp_path / "told.json").read_text())
    alone = tmp_path / "alone"
    alone.mkdir()
    subprocess.run(
        [sys.executable, "-m", "tests.training.shared_run", str(alone), "12", method], check=True, timeout=200
    )
    one = json.loads((alone / "told.json").read_text())
    assert "2 devices" in two["notes"][0][2]
    np.testing.assert_allclose(two["proba"], one["proba"], rtol=1e-3, atol=1e-4)
