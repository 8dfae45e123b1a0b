"""The LTX-2.3 text stage: from prompts, through Gemma 3, to the text that both streams attend to."""

from ltx_port.text.embeddings import TextContext, TextEmbeddings
from ltx_port.text.encoder import PromptStates, TextEncoder, read_prompts
from ltx_port.text.load import load_connector, load_features, load_text_embeddings, load_text_encoder
from ltx_port.text.tokenizer import PROMPT_TOKENS

__all__ = [
    "PROMPT_TOKENS",
    "PromptStates",
    "TextContext",
    "TextEmbeddings",
    "TextEncoder",
    "load_connector",
    "load_features",
    "load_text_embeddings",
    "load_text_encoder",
    "read_prompts",
]
