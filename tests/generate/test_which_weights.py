"""Which checkpoint and which LoRAs the transformer of each stage is made of."""

from dataclasses import replace

import pytest

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.lora.file import LoraFile
from ltx_port.lora.fusion import Lora
from ltx_port.pipeline import DISTILLED, HQ, ONE_STAGE, TWO_STAGE, ModelFiles
from parity.ltx23.synthetic.model_folder import ModelFolder


@pytest.fixture
def files(model: ModelFolder) -> ModelFiles:
    """Files with a style LoRA of the user's."""
    style = Lora(LoraFile.open(model.distilled_lora), 0.5)
    return ModelFiles(CheckpointFile.open(model.checkpoint), loras=(style,))


def test_the_distilled_lora_comes_behind_the_users_in_the_second_stage_alone(
    files: ModelFiles, model: ModelFolder
) -> None:
    extra = Lora(LoraFile.open(model.distilled_lora), 0.8)
    both = replace(files, distilled_lora=extra)
    assert both.transformer(TWO_STAGE, 1) == (files.checkpoint, files.loras)
    assert both.transformer(TWO_STAGE, 2) == (files.checkpoint, (*files.loras, extra))


def test_high_quality_has_it_in_both_at_strengths_of_their_own(files: ModelFiles, model: ModelFolder) -> None:
    extra = Lora(LoraFile.open(model.distilled_lora), 0.8)
    both = replace(files, distilled_lora=extra, strengths=(0.25, 0.5))
    for stage, strength in ((1, 0.25), (2, 0.5)):
        checkpoint, loras = both.transformer(HQ, stage)
        assert checkpoint is files.checkpoint
        assert [lora.strength for lora in loras] == [0.5, strength]


def test_a_distilled_checkpoint_is_the_second_stage(files: ModelFiles, model: ModelFolder) -> None:
    other = CheckpointFile.open(model.distilled)
    both = replace(files, distilled=other)
    assert both.transformer(TWO_STAGE, 1) == (files.checkpoint, files.loras)
    assert both.transformer(TWO_STAGE, 2) == (other, files.loras)


def test_one_model_serves_both_stages_where_it_is_distilled_altogether(files: ModelFiles) -> None:
    for route, stage in ((DISTILLED, 1), (DISTILLED, 2), (ONE_STAGE, 1)):
        assert files.transformer(route, stage) == (files.checkpoint, files.loras)
