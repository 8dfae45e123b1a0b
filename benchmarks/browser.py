"""The browser that pages are measured and tested in."""

import shutil

# A sandbox needs rights that a container lacks, and without the others it asks the network for what it does not need.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """Give the path of the one that is installed, if any; Playwright's own cannot be had everywhere."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
