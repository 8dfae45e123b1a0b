"""The names of the transformer's tensors: in the official checkpoint, and here. One map, both ways."""

from collections.abc import Iterable, Iterator

from ltx_port.errors import InputError

TRANSFORMER_PREFIX = "model.diffusion_model."

_ADALN = {
    "linear_in": "emb.timestep_embedder.linear_1",
    "linear_out": "emb.timestep_embedder.linear_2",
    "projection": "linear",
}
_ATTENTION = {
    "to_q": "to_q",
    "to_k": "to_k",
    "to_v": "to_v",
    "q_norm": "q_norm",
    "k_norm": "k_norm",
    "to_gate_logits": "to_gate_logits",
    "to_out": "to_out.0",
}
_FEED_FORWARD = {"up": "net.0.proj", "down": "net.2"}

# Per stream: (the port's module, the official module, the parts inside it; None for a single tensor or layer).
_ENTRY: dict[str, list[tuple[str, str, dict[str, str] | None]]] = {
    "video": [
        ("patchify", "patchify_proj", None),
        ("timestep_adaln", "adaln_single", _ADALN),
        ("prompt_adaln", "prompt_adaln_single", _ADALN),
        ("av_scale_shift_adaln", "av_ca_video_scale_shift_adaln_single", _ADALN),
        ("av_gate_adaln", "av_ca_a2v_gate_adaln_single", _ADALN),
        ("head.projection", "proj_out", None),
    ],
    "audio": [
        ("patchify", "audio_patchify_proj", None),
        ("timestep_adaln", "audio_adaln_single", _ADALN),
        ("prompt_adaln", "audio_prompt_adaln_single", _ADALN),
        ("av_scale_shift_adaln", "av_ca_audio_scale_shift_adaln_single", _ADALN),
        ("av_gate_adaln", "av_ca_v2a_gate_adaln_single", _ADALN),
        ("head.projection", "audio_proj_out", None),
    ],
}
_BLOCK: list[tuple[str, str, dict[str, str]]] = [
    ("video.self_attn.attn", "attn1", _ATTENTION),
    ("video.text_cross.attn", "attn2", _ATTENTION),
    ("video.feed_forward.ff", "ff", _FEED_FORWARD),
    ("audio.self_attn.attn", "audio_attn1", _ATTENTION),
    ("audio.text_cross.attn", "audio_attn2", _ATTENTION),
    ("audio.feed_forward.ff", "audio_ff", _FEED_FORWARD),
    ("av_cross.audio_to_video.attn", "audio_to_video_attn", _ATTENTION),
    ("av_cross.video_to_audio.attn", "video_to_audio_attn", _ATTENTION),
]
_TABLES = {
    "video.head.modulation.table": "scale_shift_table",
    "audio.head.modulation.table": "audio_scale_shift_table",
}
_BLOCK_TABLES = {
    "video.modulation.table": "scale_shift_table",
    "video.text_cross.prompt_modulation.table": "prompt_scale_shift_table",
    "video.av_modulation.table": "scale_shift_table_a2v_ca_video",
    "audio.modulation.table": "audio_scale_shift_table",
    "audio.text_cross.prompt_modulation.table": "audio_prompt_scale_shift_table",
    "audio.av_modulation.table": "scale_shift_table_a2v_ca_audio",
}
# The query and key norms have no bias; every other layer has both.
_NORMS = ("q_norm", "k_norm")


def _layer(port: str, official: str) -> Iterator[tuple[str, str]]:
    yield f"{port}.weight", f"{official}.weight"
    if not port.endswith(_NORMS):
        yield f"{port}.bias", f"{official}.bias"


def _pairs(num_layers: int) -> Iterator[tuple[str, str]]:
    yield from _TABLES.items()
    for stream, entries in _ENTRY.items():
        for port, official, parts in entries:
            for inner_port, inner_official in (parts or {"": ""}).items():
                yield from _layer(
                    f"{stream}.{port}.{inner_port}".rstrip("."), f"{official}.{inner_official}".rstrip(".")
                )
    for block in range(num_layers):
        here, there = f"blocks.{block}", f"transformer_blocks.{block}"
        for port, official in _BLOCK_TABLES.items():
            yield f"{here}.{port}", f"{there}.{official}"
        for port, official, parts in _BLOCK:
            for inner_port, inner_official in parts.items():
                yield from _layer(f"{here}.{port}.{inner_port}", f"{there}.{official}.{inner_official}")


class TransformerKeyMap:
    """Every tensor of a transformer with `num_layers` blocks, by both of its names."""

    def __init__(self, num_layers: int):
        self._to_official = {port: TRANSFORMER_PREFIX + official for port, official in _pairs(num_layers)}
        self._to_port = {official: port for port, official in self._to_official.items()}
        assert len(self._to_port) == len(self._to_official), "two tensors of the port share one official key"

    def to_official(self, port_key: str) -> str:
        """Give the checkpoint's key; InputError for a key that the port does not have."""
        return _look_up(self._to_official, port_key, "a parameter of the port")

    def to_port(self, official_key: str) -> str:
        """Give the port's key; InputError for a key that the transformer does not have."""
        return _look_up(self._to_port, official_key, "a transformer key of the checkpoint format")

    def official_keys(self) -> Iterable[str]:
        """All keys that a checkpoint must hold for the transformer."""
        return self._to_port.keys()


def _look_up(table: dict[str, str], key: str, expected: str) -> str:
    if key not in table:
        raise InputError("key map", f"unknown key {key!r}", expected, "check the number of layers and the prefix")
    return table[key]
