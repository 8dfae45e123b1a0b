"""The files that ltx-generate reads."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from fuzz import content, json_text, safetensors_parts, seeds
from fuzz.case import Reader
from fuzz.sayings import same_document
from ltx_port.audio_vae.load import build_audio_decoder
from ltx_port.certificate import Scope, valid_certificate
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.load import load_transformer
from ltx_port.checkpoint.tensor_file import TensorFile
from ltx_port.lora.file import LoraFile
from ltx_port.mp4 import read_metadata
from ltx_port.picture import read_picture
from ltx_port.pipeline.hidden_states import HiddenStatesFile
from ltx_port.release import RELEASE_1_2_0
from ltx_port.text.gemma import check_gemma_root, load_gemma
from ltx_port.text.gemma_weights import GemmaFile
from ltx_port.text.load import load_features
from ltx_port.text.tokenizer import load_tokenizer
from ltx_port.transformer.attention import AttentionBackend
from ltx_port.upsampler.config import UpsamplerFile
from ltx_port.upsampler.load import load_upsampler
from ltx_port.video_vae.load import build_video_decoder, build_video_encoder
from ltx_port.vocoder.load import build_vocoder

_CPU, _BF16 = torch.device("cpu"), torch.bfloat16
_NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


def _tensors(file: TensorFile) -> dict[str, tuple[str, tuple[int, ...], str]]:
    """Give dtype, shape and hash of every tensor of a file, read as the port reads it."""
    found = {}
    for key in sorted(file.keys()):
        tensor = file.read(key, "cpu")
        raw = tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
        found[key] = _NAMES[tensor.dtype], tuple(tensor.shape), hashlib.sha256(raw).hexdigest()
    return found


def tensors_say(raw: bytes, found: Any) -> bool:
    """Whether the tensors are those that the header speaks of, by a reader of their own."""
    header, data = safetensors_parts.split(raw)
    document = json_text.parsed(header)
    entries = {key: dict(map(tuple, entry)) for key, entry in document if key != "__metadata__"}
    told = {
        key: (entry["dtype"], tuple(entry["shape"]), hashlib.sha256(data[slice(*entry["data_offsets"])]).hexdigest())
        for key, entry in entries.items()
    }
    keys = [key for key, _ in document]
    metadata = [key for name, table in document if name == "__metadata__" for key, _ in table or ()]
    unique = len(set(keys)) == len(keys) and len(set(metadata)) == len(metadata)
    return unique and told == found["tensors"] and _config_says(json.loads(header).get("__metadata__") or {}, found)


def _config_says(metadata: dict[str, str], found: Any) -> bool:
    return "config" not in found or same_document(metadata["config"], json.loads(found["config"]))


def _checkpoint(path: Path) -> Any:
    file = CheckpointFile.open(path)
    load_transformer(file, _CPU, _BF16)
    load_features(file, _CPU, _BF16)
    build_vocoder(file.config.vocoder)
    build_video_encoder(file.config.vae)
    build_video_decoder(file.config.vae)
    build_audio_decoder(file.config.audio_vae)
    return {"tensors": _tensors(file), "config": file.config.to_json(), "version": file.model_version}


def _lora(path: Path) -> Any:
    file = LoraFile.open(path)
    for layer in file.layers:
        file.size(layer)
        file.factors(layer, 1.0, _CPU)
    return {"tensors": _tensors(file), "layers": file.layers}


def _upsampler(path: Path) -> Any:
    file = UpsamplerFile.open(path)
    load_upsampler(file, CheckpointFile.open(path.parent / "statistics.safetensors"), _CPU, _BF16)
    return {"tensors": _tensors(file), "config": file.config.model_dump_json(by_alias=True)}


def _states(path: Path) -> Any:
    file = HiddenStatesFile.open(path)
    file.read_prompts(file.roles, _CPU, _BF16)
    return {"tensors": _tensors(file), "roles": file.roles}


def _gemma(path: Path) -> Any:
    check_gemma_root(path.parent)
    loaded = load_gemma(path.parent, _CPU, _BF16)
    found = {"tensors": _tensors(GemmaFile.open(path.parent / "model.safetensors"))}
    return found | {"asked": loaded.model.config.to_dict()}


def _tokenizer(path: Path) -> Any:
    tokenizer = load_tokenizer(path.parent, RELEASE_1_2_0, 16)
    tokens = tokenizer(["the sea, \N{SNOWMAN}", ""], _CPU)
    return tokens.ids.tolist(), tokens.mask.tolist()


def _certificate(path: Path) -> Any:
    scope = Scope.of(_CPU, _BF16, AttentionBackend.AUTO, RELEASE_1_2_0)
    return json.loads(valid_certificate(scope, path.parent).to_json())


_SAFETENSORS = (
    *(safetensors_parts.header, safetensors_parts.shuffled, safetensors_parts.nested, safetensors_parts.data) * 2,
    *content.ANY_BYTES,
)
_JSON = (json_text.mutation,) * 6 + content.ANY_BYTES[::2]

PORT_READERS = (
    Reader(
        "checkpoint", seeds.checkpoints, (*_SAFETENSORS, *(safetensors_parts.nested,) * 8), _checkpoint, tensors_say
    ),
    Reader("lora", seeds.loras, _SAFETENSORS, _lora, tensors_say),
    Reader("upsampler", seeds.upsamplers, _SAFETENSORS, _upsampler, tensors_say),
    Reader("hidden states", seeds.hidden_states, _SAFETENSORS, _states, tensors_say),
    Reader("gemma weights", lambda folder: seeds.gemma(folder, "model.safetensors"), _SAFETENSORS, _gemma, tensors_say),
    Reader(
        "gemma config.json",
        lambda folder: seeds.gemma(folder, "config.json"),
        _JSON,
        _gemma,
        lambda raw, found: True,
    ),
    Reader(
        "gemma tokenizer.json",
        lambda folder: seeds.gemma(folder, "tokenizer.json"),
        _JSON,
        _tokenizer,
        lambda raw, found: True,
    ),
    Reader(
        "gemma tokenizer_config.json",
        lambda folder: seeds.gemma(folder, "tokenizer_config.json"),
        _JSON,
        _tokenizer,
        lambda raw, found: True,
    ),
    Reader(
        "certificate.json",
        seeds.certificates,
        _JSON,
        _certificate,
        lambda raw, found: same_document(raw.decode(), found),
        sealed=True,
    ),
    Reader(
        "picture",
        seeds.pictures,
        content.ANY_BYTES,
        lambda path: read_picture(path).numpy().tobytes(),
        lambda raw, found: True,
    ),
    Reader("clip", seeds.clips, content.ANY_BYTES, read_metadata, lambda raw, found: True),
)
