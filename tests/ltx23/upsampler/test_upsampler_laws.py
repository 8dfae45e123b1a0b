"""What holds of the upsampler whatever its weights; and that every one of them matters."""

import pytest
import torch

from parity.ltx23.stages import CASES
from parity.ltx23.world import World

CASE = CASES["upsampler-small"]


@pytest.fixture(scope="module")
def world():
    with World() as world:
        yield world


@pytest.fixture(scope="module")
def latent(world: World) -> torch.Tensor:
    return world.passes(CASE, torch.float32)[0].working["latent"]


def test_height_and_width_double_and_frames_stay(world: World, latent: torch.Tensor) -> None:
    batch, channels, frames, height, width = latent.shape
    with torch.no_grad():
        doubled = world.port(CASE, torch.float32).root(latent)
    assert doubled.shape == (batch, channels, frames, 2 * height, 2 * width)


def test_samples_do_not_mix(world: World, latent: torch.Tensor) -> None:
    model, other = world.port(CASE, torch.float32).root, latent.flip(1)
    with torch.no_grad():
        together = model(torch.cat([latent, other]))
        assert torch.allclose(together, torch.cat([model(latent), model(other)]), rtol=1e-4, atol=1e-5)


def test_four_channels_of_a_place_become_its_square(world: World) -> None:
    shuffle = world.port(CASE, torch.float32).root.upsampler.enlarge.shuffle
    x = torch.arange(2 * 4 * 2 * 3).view(1, 8, 2, 3).float()
    doubled = shuffle(x)
    for channel, row, column, y, z in torch.cartesian_prod(*map(torch.arange, (2, 2, 2, 2, 3))).tolist():
        assert doubled[0, channel, 2 * y + row, 2 * z + column] == x[0, 4 * channel + 2 * row + column, y, z]


def test_normalising_undoes_un_normalising(world: World, latent: torch.Tensor) -> None:
    model = world.port(CASE, torch.float32).root
    assert torch.allclose(model.normalize(model.unnormalize(latent)), latent, atol=1e-5)
    assert not torch.allclose(model.unnormalize(latent), latent, atol=0.1)


def test_every_weight_matters(world: World, latent: torch.Tensor) -> None:
    model = world.port(CASE, torch.float32).root
    with torch.no_grad():
        before = model(latent)
        for name, tensor in model.state_dict().items():
            kept = tensor.clone()
            tensor.add_(0.1 * torch.linspace(-1, 1, tensor.numel()).view(tensor.shape))
            moved = (model(latent) - before).abs().max()
            tensor.copy_(kept)
            assert moved > 1e-4, name
        assert torch.equal(model(latent), before)
