"""What the text stage does at its edges, and that nothing in it is idle."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ltx_port.errors import InputError
from ltx_port.release import NEWEST, RELEASE_1_0_0
from ltx_port.text import TextEmbeddings
from ltx_port.text.connector import REGISTERS, RegisterFill, TokensToFront
from ltx_port.text.features import FeatureExtractor
from ltx_port.text.tokenizer import load_tokenizer
from ltx_port.text.transformers_import import transformers_importable
from parity.ltx23.stage import SEED
from parity.ltx23.stages import CASES
from parity.ltx23.stages.text.passes import TextPass
from parity.ltx23.synthetic.gemma import write_gemma
from parity.ltx23.synthetic.weights import normal_like
from parity.ltx23.world import World, sha256

CPU = torch.device("cpu")
SMALL = CASES["text-small"]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("roots") / "gemma"
    write_gemma(root, SEED)
    return root


def normal(label: str, *shape: int) -> Tensor:
    return normal_like(SEED, label, 0, torch.Size(shape).numel(), CPU).view(shape)


def left_padded(length: int, text: int) -> Tensor:
    mask = torch.zeros(1, length, dtype=torch.int64)
    mask[:, length - text :] = 1
    return mask


def context(world: World) -> tuple[Tensor, Tensor]:
    embeddings = world.port(SMALL, torch.float32).root.get_submodule("embeddings")
    given = world.forwards(SMALL, torch.float32)[0].inputs
    assert isinstance(embeddings, TextEmbeddings)
    assert isinstance(given, TextPass)
    states, mask = given.given()
    with torch.no_grad():
        found = embeddings(states.unbind(0), mask)
    return found.video, found.audio


def test_every_parameter_matters(world: World) -> None:
    """Moved by a tenth of its spread, every tensor moves the context by far more than float32 rounds."""
    before, silent = context(world), []
    for name, parameter in world.port(SMALL, torch.float32).root.named_parameters():
        kept = parameter.detach().clone()
        parameter.data += 0.1 * kept.std() * torch.linspace(-1, 1, kept.numel()).view_as(kept)
        after = context(world)
        parameter.data.copy_(kept)
        moved = max(float((a - b).norm() / b.norm()) for a, b in zip(after, before, strict=True))
        if moved < 1e-5:
            silent.append((name, moved))
    assert silent == []


@pytest.mark.parametrize("text", [0, 1, 37, 128, 255, 256])
def test_both_releases_put_the_same_behind_the_registers(text: int) -> None:
    features, mask = normal("front", 1, 256, 4), left_padded(256, text)
    fill = RegisterFill(4)
    fill.registers.data = normal("registers", REGISTERS, 4)
    first, newest = (fill(*TokensToFront(sorts)(features, mask)) for sorts in (False, True))
    assert torch.equal(first, newest)
    assert torch.equal(first[:, :text], features[:, 256 - text :])
    assert torch.equal(first[0, text:], fill.registers.repeat(2, 1)[text:])


def test_the_sort_takes_any_padding_and_any_batch() -> None:
    features = normal("front", 2, 128, 4)
    mask = torch.cat([left_padded(128, 5), left_padded(128, 9).flip(1)])
    tokens, counts = TokensToFront(sorts=True)(features, mask)
    assert counts.tolist() == [[1] * 5 + [0] * 123, [1] * 9 + [0] * 119]
    assert torch.equal(tokens[0, :5], features[0, 123:])
    assert torch.equal(tokens[1, :9], features[1, :9])


def test_several_prompts_are_refused_by_the_release_that_takes_one() -> None:
    mask = left_padded(128, 5).expand(2, -1)
    with pytest.raises(InputError, match="2 prompts; expected one under this release"):
        TokensToFront(sorts=False)(normal("front", 2, 128, 4), mask)


def test_a_length_that_registers_do_not_fill_is_refused() -> None:
    with pytest.raises(InputError, match="130 tokens; expected a multiple of 128"):
        RegisterFill(4)(normal("tokens", 1, 130, 4), left_padded(130, 5))


def test_hidden_states_of_another_model_are_refused() -> None:
    features = FeatureExtractor(24 * 4, 8, 4)
    states = list(normal("states", 3, 1, 6, 24).unbind(0))
    with pytest.raises(InputError, match="3 of width 24; expected 96 channels in all"):
        features(states, left_padded(6, 2))


def test_what_padding_holds_reaches_no_feature() -> None:
    """NaN included, which a language model may give where a token attends to nothing."""
    features = FeatureExtractor(24 * 4, 8, 4).requires_grad_(False)
    states, mask = normal("states", 4, 1, 6, 24), left_padded(6, 2)
    spoilt = states.clone()
    spoilt[:, :, :4] = torch.nan
    for found, expected in zip(features(spoilt.unbind(0), mask), features(states.unbind(0), mask), strict=True):
        assert torch.equal(found, expected)


def test_the_gemma_root_has_the_same_bytes_wherever_it_is_written(gemma: Path, tmp_path: Path) -> None:
    write_gemma(tmp_path / "again", SEED)
    assert sha256(tmp_path / "again") == sha256(gemma)
    write_gemma(tmp_path / "other", SEED + 1)
    assert sha256(tmp_path / "other") != sha256(gemma)


PROMPTS = ["", " \n", "the sea", "  the sea\t", "über 漢字 \U0001f30a", "<eos> and <pad>", "the wind " * 100]


@pytest.mark.reference
@pytest.mark.parametrize("length", [16, 128])
def test_prompts_are_tokenized_as_the_official_code_does(gemma: Path, length: int) -> None:
    import reference_dumps.official.torchaudio_without_extension  # noqa: F401, I001
    from ltx_core.text_encoders.gemma.tokenizer import LTXVGemmaTokenizer

    official, port = LTXVGemmaTokenizer(str(gemma), length), load_tokenizer(gemma, RELEASE_1_0_0, length)
    newest = load_tokenizer(gemma, NEWEST, length)
    for prompt in PROMPTS:
        pairs = [(int(token), int(weight)) for token, weight in official.tokenize_with_weights(prompt)["gemma"]]
        for tokens in (port([prompt], CPU), newest([prompt], CPU)):
            assert list(zip(tokens.ids[0].tolist(), tokens.mask[0].tolist(), strict=True)) == pairs


def test_the_newest_release_begins_every_prompt_with_the_start_token(tmp_path: Path) -> None:
    write_gemma(tmp_path / "gemma", SEED, starts=False)
    for prompt, cut in (("the sea", False), ("the wind " * 100, True)):
        first, newest = (
            load_tokenizer(tmp_path / "gemma", release, 16)([prompt], CPU) for release in (RELEASE_1_0_0, NEWEST)
        )
        text = first.ids[0][first.mask[0].bool()].tolist()
        assert newest.ids[0][newest.mask[0].bool()].tolist() == [2, *text[: 15 if cut else 16]]


def test_an_audio_library_that_cannot_be_loaded_is_kept_out_of_sight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torchaudio").mkdir()
    (tmp_path / "torchaudio" / "__init__.py").write_text("raise OSError('libc10_cuda.so')")
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    with transformers_importable(), pytest.raises(ModuleNotFoundError):
        import torchaudio  # noqa: F401
    assert "torchaudio" not in sys.modules
