"""Configurations of LTX-2.3 checkpoints: the released 22B, and a tiny one with the same switches."""

from importlib import resources

from parity.errors import BadInputError

CONFIG_NAMES = ("tiny", "tiny-pipeline", "ltx-2.3-22b")


def config_text(name: str) -> str:
    """Give the `config` metadata of a checkpoint as JSON text; BadInputError for any other name."""
    return _packaged(name, name)


def upsampler_config_text(name: str) -> str:
    """Give the `config` metadata of the upsampler for such a checkpoint as JSON text; BadInputError as above."""
    return _packaged(name, f"upsampler-{name}")


def gemma_config_text() -> str:
    """Give the `text_config` of Gemma 3 12B as JSON text.

    Source: `GEMMA3_CONFIG_FOR_LTX` of ltx_core.text_encoders.gemma.config, release 1.0.0.
    """
    return resources.files(__name__).joinpath("gemma-3-12b.json").read_text(encoding="utf-8")


def _packaged(name: str, file: str) -> str:
    if name not in CONFIG_NAMES:
        expected = f"one of {', '.join(CONFIG_NAMES)}"
        raise BadInputError(f"config {name!r}", "no such packaged configuration", expected, "name one of these")
    return resources.files(__name__).joinpath(f"{file}.json").read_text(encoding="utf-8")
