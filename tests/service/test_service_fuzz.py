"""Requests made up from the OpenAPI document, right and wrong: never a fault of the service."""

from __future__ import annotations

import pytest

schemathesis = pytest.importorskip("schemathesis")
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from hammingbird.service.app import make_app
from hammingbird.service.opening import demo_engine


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("requests", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_request_is_a_fault(tmp_path, requests):
    engine = demo_engine(tmp_path)
    app = make_app(engine)
    statuses: dict[int, int] = {}
    with TestClient(app, raise_server_exceptions=False) as client:
        schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
        operations = [operation.ok() for operation in schema.get_all_operations()]
        assert len(operations) == 8
        modes = schemathesis.GenerationMode
        cases = st.one_of([o.as_strategy(generation_mode=m) for o in operations for m in modes])

        @seed(0)
        @settings(
            max_examples=requests, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=cases)
        def ask(case):
            kwargs = case.as_transport_kwargs(base_url="http://testserver")
            kwargs.pop("cookies", None)
            kwargs.pop("timeout", None)
            if "data" in kwargs:
                kwargs["content"] = kwargs.pop("data")
            response = client.request(**kwargs)
            statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
            assert response.status_code < 500, (kwargs, response.text)
            if response.status_code >= 400:
                assert response.headers["content-type"] == "application/problem+json"

        ask()
    print(statuses)
    assert sum(statuses.values()) >= requests
    assert {200, 404, 422} <= statuses.keys()
