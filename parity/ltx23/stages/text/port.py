"""The port's text stage, as the harness runs it."""

from torch import nn

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.release import release_named
from ltx_port.text.connector import Connector
from ltx_port.text.load import load_connector, load_features, load_text_embeddings, load_text_encoder
from ltx_port.text.tokenizer import PROMPT_TOKENS
from ltx_port.transformer.attention import AttentionBackend
from parity.ltx23.refusals import refusals
from parity.ltx23.stage import Load
from parity.ltx23.stages.text.passes import Part, TextPass


def load(request: Load) -> nn.Module:
    """Give the part of the stage that the case asks for, each module at the path that it has in the whole."""
    with refusals():
        model = _load(request, request.options["part"])
    for module in model.modules():
        if isinstance(module, Connector):
            module.set_attention_backend(AttentionBackend(request.attention))
    return model


def _load(request: Load, part: Part) -> nn.Module:
    checkpoint = CheckpointFile.open(request.files["checkpoint"])
    device, dtype, release = request.device, request.dtype, release_named(request.release)
    if part is Part.FEATURES:
        return _at_its_path("features", load_features(checkpoint, device, dtype))
    if part in (Part.VIDEO, Part.AUDIO):
        return _at_its_path(part.value, load_connector(checkpoint, part.value, device, dtype, release))
    embeddings = load_text_embeddings(checkpoint, device, dtype, release)
    if part is Part.EMBEDDINGS:
        return nn.ModuleDict({"embeddings": embeddings})
    length = request.options.get("length", PROMPT_TOKENS)
    return load_text_encoder(embeddings, request.files["gemma"], dtype, release, length)


def _at_its_path(name: str, module: nn.Module) -> nn.Module:
    return nn.ModuleDict({"embeddings": nn.ModuleDict({name: module})})


def call(model: nn.Module, given: TextPass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    if given.part is Part.ENCODER:
        model(given.prompts)
        return
    states, mask = given.given()
    embeddings = model.get_submodule("embeddings")
    if given.part is Part.EMBEDDINGS:
        embeddings(states.unbind(0), mask)
    elif given.part is Part.FEATURES:
        embeddings.get_submodule("features")(states.unbind(0), mask)
    else:
        embeddings.get_submodule(given.part.value)(states, mask)
