"""From a checkpoint file, and a Gemma root folder, to a text stage that runs."""

from pathlib import Path

import torch

from ltx_port.checkpoint.config import TransformerConfig
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.meta import on_meta
from ltx_port.checkpoint.strict import Part, load_strictly
from ltx_port.release import NEWEST, Release
from ltx_port.text.connector import Connector, ConnectorShape
from ltx_port.text.embeddings import TextEmbeddings
from ltx_port.text.encoder import TextEncoder
from ltx_port.text.features import FeatureExtractor
from ltx_port.text.gemma import load_gemma
from ltx_port.text.keys import CONNECTOR_PREFIX, FEATURES_PREFIX, connector_keys, feature_keys
from ltx_port.text.tokenizer import PROMPT_TOKENS, load_tokenizer


def connector_shape(config: TransformerConfig, stream: str) -> ConnectorShape:
    """Give the shape of the connector of a stream, "video" or "audio"; both have the same number of blocks."""
    video = stream == "video"
    return ConnectorShape(
        heads=config.connector_num_attention_heads if video else config.audio_connector_num_attention_heads,
        head_dim=config.connector_attention_head_dim if video else config.audio_connector_attention_head_dim,
        layers=config.connector_num_layers,
        max_pos=config.connector_positional_embedding_max_pos,
    )


def build_connector(config: TransformerConfig, stream: str, release: Release = NEWEST) -> Connector:
    """Give the connector of a stream without weights (on the meta device), in evaluation mode."""
    with on_meta("connector"):
        return Connector(connector_shape(config, stream), release).eval()


def build_features(config: TransformerConfig, flat_dim: int) -> FeatureExtractor:
    """Give the feature extractor without weights (on the meta device), in evaluation mode.

    `flat_dim` is Gemma's width times the number of its hidden states, which the configuration does not say.
    """
    with on_meta("text projection"):
        return FeatureExtractor(flat_dim, config.inner_dim, config.audio_inner_dim).eval()


def load_connector(
    checkpoint: CheckpointFile, stream: str, device: torch.device, dtype: torch.dtype, release: Release = NEWEST
) -> Connector:
    """Give the connector of a stream with its weights on `device`, rounded to `dtype`; strict, as all loaders are."""
    model = build_connector(checkpoint.config.transformer, stream, release)
    prefix = CONNECTOR_PREFIX.format(stream=stream)
    part = Part(f"{stream} connector", connector_keys(model.state_dict(), stream), (prefix,))
    load_strictly(model, checkpoint, part, device, dtype)
    return model


def flat_width(checkpoint: CheckpointFile) -> int:
    """Give the number of channels of all of Gemma's hidden states together, which only the weights' shape says."""
    return checkpoint.shape(f"{FEATURES_PREFIX}video_aggregate_embed.weight")[1]


def load_features(checkpoint: CheckpointFile, device: torch.device, dtype: torch.dtype) -> FeatureExtractor:
    """Give the feature extractor for the width of Gemma's hidden states that its weights have."""
    model = build_features(checkpoint.config.transformer, flat_width(checkpoint))
    part = Part("text projection", feature_keys(model.state_dict()), (FEATURES_PREFIX,))
    load_strictly(model, checkpoint, part, device, dtype)
    return model


def load_text_embeddings(
    checkpoint: CheckpointFile, device: torch.device, dtype: torch.dtype, release: Release = NEWEST
) -> TextEmbeddings:
    """Give all of the text stage that is in the checkpoint; it takes hidden states that Gemma computed elsewhere."""
    return TextEmbeddings(
        load_features(checkpoint, device, dtype),
        load_connector(checkpoint, "video", device, dtype, release),
        load_connector(checkpoint, "audio", device, dtype, release),
    ).eval()


def load_text_encoder(
    embeddings: TextEmbeddings,
    gemma: Path,
    dtype: torch.dtype,
    release: Release = NEWEST,
    length: int = PROMPT_TOKENS,
    offload_layers: bool = False,
) -> TextEncoder:
    """Give the whole text stage: the embeddings behind tokenizer and language model of a Gemma 3 root folder.

    `length` is the number of tokens that prompts are padded or cut to, a multiple of 128; `offload_layers` streams the
    language model's layers, as in `load_gemma`.
    """
    device = next(embeddings.parameters()).device
    tokenizer = load_tokenizer(gemma, release, length)
    return TextEncoder(tokenizer, load_gemma(gemma, device, dtype, offload_layers), embeddings, release).eval()
