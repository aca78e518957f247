from __future__ import annotations

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")

from starlette.testclient import TestClient

import hammingbird as hb
from hammingbird.service.app import make_app
from hammingbird.service.engine import Engine
from hammingbird.service.items import Items
from hammingbird.service.opening import demo_engine


@pytest.fixture
def digits(tmp_path):
    """A client of the demo; its engine is ``digits.engine``."""
    engine = demo_engine(tmp_path)
    with TestClient(make_app(engine), raise_server_exceptions=False) as client:
        client.engine = engine
        yield client


@pytest.fixture
def empty(tmp_path):
    """A client of a service without model and items, of 16 bits."""
    engine = Engine(Items(tmp_path / "some.sqlite", 16))
    with TestClient(make_app(engine), raise_server_exceptions=False) as client:
        client.engine = engine
        yield client


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A folder with a model of 64 numbers, 32 bits."""
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("models") / "model"
    hb.ITQ(32, random_state=0).fit(load_digits().data).save(folder)
    return folder
