"""A tiny model that every test here generates with."""

import pytest

from parity.ltx23.synthetic.model_folder import ModelFolder, write_model_folder


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return write_model_folder(tmp_path_factory.mktemp("model"), 20260305)
