import pytest
import torch

from sslcore.models.decoder import ImageDecoder, VectorDecoder


@pytest.mark.parametrize("size", [8, 9, 28, 32, 50, 224])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_any_size(size, channels):
    made = ImageDecoder(6, channels, size)
    assert made(torch.randn(2, 6)).shape == (2, channels, size, size)
    assert made.grid <= 8


@pytest.mark.parametrize("batch_norm", [False, True])
def test_every_pixel_hangs_on_the_code_and_every_weight_learns(batch_norm):
    torch.manual_seed(0)
    made = ImageDecoder(6, 1, 27, batch_norm=batch_norm)
    image_BXHW = made(torch.randn(8, 6))
    assert (image_BXHW.std(0) > 0).all()
    image_BXHW.square().mean().backward()
    assert all(weight.grad is not None for weight in made.parameters())


@pytest.mark.parametrize("make", [lambda: ImageDecoder(4, 1, 8), lambda: VectorDecoder(4, 64)])
def test_it_learns_what_four_codes_stand_for(make):
    torch.manual_seed(0)
    made, code_BD = make(), torch.eye(4)
    wanted = torch.randn(made(code_BD).shape)
    optimiser = torch.optim.Adam(made.parameters(), lr=1e-2)
    first = (made(code_BD) - wanted).square().mean().item()
    for _ in range(150):
        optimiser.zero_grad()
        loss = (made(code_BD) - wanted).square().mean()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05 * first


def test_without_batch_norm_an_item_has_no_company():
    made, code_BD = VectorDecoder(4, 5), torch.randn(3, 4)
    torch.testing.assert_close(made(code_BD)[:1], made(code_BD[:1]))
