"""The negative prompt when none is given."""

from importlib import resources

from ltx_port.release import Release


def default_negative_prompt(release: Release) -> str:
    """Give the release's own; it is what the scales of guidance were chosen with.

    Source: DEFAULT_NEGATIVE_PROMPT of ltx_pipelines.utils.constants.
    """
    text = resources.files(__package__).joinpath("negative_prompt.txt").read_text(encoding="utf-8")
    return release.negative_tags + text
