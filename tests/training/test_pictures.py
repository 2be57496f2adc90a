"""Pictures of a run: sheets, names, the last dozen, and that drawing them changes nothing."""

import numpy as np
import pytest
import torch
from PIL import Image

from sslcore.methods import METHODS
from sslcore.methods.fixmatch import FixMatch
from sslcore.training.checkpoint import read_checkpoint
from sslcore.training.pictures import KEPT, sheet, write_pictures
from sslcore.training.run import CHECKPOINT, _Run, train
from tests.training.toys import Remember, blobs, digits, recipe


def test_a_sheet_shows_every_image_where_it_belongs():
    image_KXHW = np.zeros((3, 3, 40, 40), dtype=np.uint8)
    for index in range(3):
        image_KXHW[index, index] = 200
    whole = sheet(image_KXHW)
    assert whole.shape == (2 * 42 + 2, 2 * 42 + 2, 3)
    for index, (top, left) in enumerate([(2, 2), (2, 44), (44, 2)]):
        piece = whole[top : top + 40, left : left + 40]
        assert np.array_equal(piece, image_KXHW[index].transpose(1, 2, 0))
    assert (whole[44:, 44:] == 255).all()


def test_the_last_dozen_of_each_name_stays(tmp_path):
    images = {"Samples by class": torch.zeros(4, 1, 8, 8, dtype=torch.uint8), "none": torch.zeros(0, 1, 8, 8)}
    for step in range(KEPT + 3):
        write_pictures(tmp_path, step, images | {"other": torch.ones(1, 3, 8, 8, dtype=torch.uint8)})
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == sorted(
        f"{name}-{step:08d}.png" for name in ("samples_by_class", "other") for step in range(3, KEPT + 3)
    )
    with Image.open(tmp_path / "pictures" / names[-1]) as last:
        assert last.size == (70, 70)
    assert write_pictures(tmp_path, 1, None) == []


def test_a_run_writes_what_its_method_draws_and_learns_the_same(tmp_path, monkeypatch):
    settings = recipe(steps=3, evaluate_every_s=0.0)
    train(settings, blobs(), Remember(), folder=tmp_path / "plain")

    def picture(self, rng):
        image = torch.rand(4, 1, 8, 8, generator=rng) * 255
        return {"samples": image.byte()}

    monkeypatch.setattr(FixMatch, "picture", picture)
    train(settings, blobs(), Remember(), folder=tmp_path / "drawn")
    assert len(list((tmp_path / "drawn" / "pictures").iterdir())) == 3
    plain, drawn = (read_checkpoint(tmp_path / name / CHECKPOINT)[0] for name in ("plain", "drawn"))
    assert [name for name in plain if not torch.equal(plain[name], drawn[name])] == []


@pytest.mark.parametrize("name", METHODS.names())
def test_drawing_changes_nothing_that_a_run_resumes_from(name, tmp_path):
    run = _Run(recipe(name, steps=4, batch=4, unlabelled_ratio=2), digits(), Remember(), tmp_path)
    run._step()
    held = {"network": run.network, "own": run.method.own, "average": run.average.network}
    before = {key: {k: v.clone() for k, v in part.state_dict().items()} for key, part in held.items()}
    state = {key: tensor.clone() for key, tensor in run.method.state.items()}
    run._show(1, run.method.picture)
    for key, part in held.items():
        assert all(torch.equal(before[key][k], v) for k, v in part.state_dict().items()), key
        assert part.training == (key != "average")
    assert all(torch.equal(state[key], run.method.state[key]) for key in state)
