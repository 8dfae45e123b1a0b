"""A tokenizer of Gemma's kind with a small vocabulary: byte-pair encoding over letters, bytes for what it lacks."""

from typing import Any

_SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>")
_BYTES = tuple(f"<0x{value:02X}>" for value in range(256))
_SPACE = "\u2581"
_LETTERS = (_SPACE, *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?'-\n")
_WORDS = ("the", "and", "with", "over", "sea", "light", "slow", "camera", "music", "wind", "blurry", "low", "quality")
_UNUSED = 3


def _merges() -> list[tuple[str, str]]:
    """Build each word from the left, so that every merge has what it merges."""
    found: dict[tuple[str, str], None] = {}
    for word in _WORDS:
        whole = _SPACE
        for letter in word:
            found.setdefault((whole, letter))
            whole += letter
    return list(found)


def _vocabulary() -> dict[str, int]:
    merged = ("".join(pair) for pair in _merges())
    unused = (f"<unused{index}>" for index in range(_UNUSED))
    tokens = dict.fromkeys((*_SPECIAL, *_BYTES, *_LETTERS, *merged, *unused))
    return {token: index for index, token in enumerate(tokens)}


VOCABULARY_SIZE = len(_vocabulary())
"""Tokens in all; the last three stand for images and are no text."""


def tokenizer_files(starts: bool) -> dict[str, dict[str, Any]]:
    """Give the content of each file by its name; `starts`: a start token is put before the text."""
    vocabulary = _vocabulary()
    start = {"SpecialToken": {"id": "<bos>", "type_id": 0}}
    text = [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}]
    processor = {
        "type": "TemplateProcessing",
        "single": [start, text[0]] if starts else [text[0]],
        "pair": [start, *text] if starts else text,
        "special_tokens": {"<bos>": {"id": "<bos>", "ids": [vocabulary["<bos>"]], "tokens": ["<bos>"]}},
    }
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(token, vocabulary[token]) for token in _SPECIAL],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE},
        "pre_tokenizer": {
            "type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False,
        },
        "post_processor": processor,
        "decoder": None,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
            "vocab": vocabulary, "merges": [list(pair) for pair in _merges()],
        },
    }  # fmt: skip
    config = {
        "tokenizer_class": "GemmaTokenizer",
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 131072,
    }
    return {"tokenizer.json": tokenizer, "tokenizer_config.json": config}


def _added(token: str, index: int) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": index, "content": token, "special": True, **flags}
