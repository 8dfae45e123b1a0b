"""What the releases differ in, and what they do not."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend

from ltx_port.checkpoint.config import parse_config
from ltx_port.errors import InputError
from ltx_port.release import NEWEST, RELEASE_1_0_0, RELEASE_1_2_0, RELEASES, Release, release_named
from ltx_port.transformer import ModalityInput, Transformer
from ltx_port.transformer.attention import AttentionBackend, AttentionKernel
from parity.ltx23.configs import config_text

CUDNN_FIRST = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]


def transformer(release: Release) -> Transformer:
    torch.manual_seed(1)
    config = parse_config(config_text("tiny"), "test").transformer.model_copy(update={"num_layers": 1})
    model = Transformer(config, release).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    return model


def streams(video_sigma: float, audio_sigma: float, clean_tokens: int) -> tuple[ModalityInput, ModalityInput]:
    torch.manual_seed(2)
    made = []
    for sigma, tokens, channels, context, axes in ((video_sigma, 6, 16, 64, 3), (audio_sigma, 5, 32, 32, 1)):
        timesteps = torch.full((1, tokens, 1), sigma)
        timesteps[:, :clean_tokens] = 0.0
        made.append(
            ModalityInput(
                latent=torch.randn(1, tokens, channels),
                sigma=torch.tensor([sigma]),
                timesteps=timesteps,
                positions=torch.rand(1, axes, tokens, 2),
                context=torch.randn(1, 4, context),
            )
        )
    return made[0], made[1]


@torch.no_grad()
def velocities(release: Release, inputs: tuple[ModalityInput, ModalityInput]) -> tuple[Tensor | None, Tensor | None]:
    return transformer(release)(*inputs)


def same(left: tuple[Tensor | None, ...], right: tuple[Tensor | None, ...]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True) if a is not None and b is not None)


def test_the_newest_release_is_what_one_gets_unasked() -> None:
    assert list(RELEASES) == ["1.0.0", "1.2.0"]
    assert transformer(NEWEST).release is release_named("1.2.0")
    with pytest.raises(InputError, match=r"release '1\.1\.0': unknown; expected one of 1\.0\.0, 1\.2\.0"):
        release_named("1.1.0")


def test_the_releases_agree_where_no_token_is_clean_and_the_sigmas_are_equal() -> None:
    """What a component test with the easiest inputs sees, and why it sees nothing."""
    inputs = streams(0.5, 0.5, clean_tokens=0)
    assert torch.allclose(*(velocities(release, inputs)[0] for release in RELEASES.values()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("video", "audio", "clean"), [(0.5, 0.5, 2), (0.5, 0.7, 0)], ids=["clean", "unequal"])
def test_the_releases_differ_once_a_token_is_clean_or_the_sigmas_differ(video: float, audio: float, clean: int) -> None:
    inputs = streams(video, audio, clean)
    for old, new in zip(*(velocities(release, inputs) for release in RELEASES.values()), strict=True):
        assert old is not None
        assert new is not None
        assert (old - new).norm() > 1e-3 * new.norm()


def test_the_newer_scale_and_shift_are_the_only_difference_of_the_numbers_on_a_cpu() -> None:
    inputs = streams(0.5, 0.7, clean_tokens=2)
    older = replace(RELEASE_1_2_0, av_cross_own_timesteps=False)
    assert same(velocities(older, inputs), velocities(RELEASE_1_0_0, inputs))


@pytest.mark.parametrize("release", RELEASES.values(), ids=list(RELEASES))
def test_the_gate_follows_the_other_stream_in_every_release(release: Release) -> None:
    seen: list[Tensor] = []
    model = transformer(release)
    model.video.av_gate_adaln.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    with torch.no_grad():
        model(*streams(0.5, 0.75, clean_tokens=2))
    assert [given.tolist() for given in seen] == [[750.0]]


@pytest.mark.parametrize("release", RELEASES.values(), ids=list(RELEASES))
def test_one_stream_alone_knows_no_difference(release: Release) -> None:
    video, audio = streams(0.5, 0.7, clean_tokens=2)
    with torch.no_grad():
        for given in ((video, None), (None, audio)):
            assert same(transformer(release)(*given), transformer(RELEASE_1_0_0)(*given))


def kernels_in_use(model: Transformer, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Run once, and give the order in which torch would have tried its kernels, for each attention."""
    exact, orders = nn.functional.scaled_dot_product_attention, []

    def watched(*args: Tensor, **named: Tensor) -> Tensor:
        orders.append([SDPBackend(number) for number in torch._C._get_sdp_priority_order()])
        return exact(*args, **named)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", watched)
    with torch.no_grad():
        model(*streams(0.5, 0.7, clean_tokens=0))
    return orders


@pytest.mark.parametrize("release", RELEASES.values(), ids=list(RELEASES))
def test_attention_kernels_are_tried_in_the_order_of_the_release(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [SDPBackend(number) for number in torch._C._get_sdp_priority_order()]
    orders = kernels_in_use(transformer(release), monkeypatch)
    expected = CUDNN_FIRST if release.cudnn_attention_first else own
    assert [order[: len(expected)] for order in orders] == [expected] * 6
    assert [SDPBackend(number) for number in torch._C._get_sdp_priority_order()] == own, "put back afterwards"


def test_a_chosen_kernel_is_the_only_one_in_every_release() -> None:
    for release in RELEASES.values():
        model = transformer(release)
        model.set_attention_backend(AttentionBackend.MATH)
        kernels = [module.kernels for module in model.modules() if isinstance(module, AttentionKernel)]
        assert kernels == [[SDPBackend.MATH]] * 6
        model.set_attention_backend(AttentionBackend.AUTO)
        chosen = {str(module.kernels) for module in model.modules() if isinstance(module, AttentionKernel)}
        assert chosen == {str(CUDNN_FIRST if release.cudnn_attention_first else None)}
