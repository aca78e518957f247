"""One ONNX graph gives the codes of ``transform``."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import hammingbird as hb
from hammingbird.deep.methods.mihash import MIHash

pytestmark = pytest.mark.deep


@pytest.mark.parametrize(("backbone", "n_bits"), [(None, 12), ("mlp", 16), ("cnn", 5)])
@pytest.mark.filterwarnings("ignore")
def test_codes_in_onnxruntime_are_those_of_transform(tmp_path, backbone, n_bits):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    rng = np.random.default_rng(0)
    shape = (40, 8, 8, 3) if backbone == "cnn" else (40, 20)
    X = rng.standard_normal(shape).astype(np.float32)
    hasher = MIHash(n_bits, backbone=backbone, epochs=1, random_state=0).fit(X, np.arange(40) % 4)
    hasher.export_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    codes, scores = session.run(["codes", "scores"], {"X": X})
    assert codes.dtype == np.uint8
    np.testing.assert_allclose(scores, hasher.project(X), atol=1e-4)
    clear = (np.abs(hasher.project(X)) > 1e-4).all(axis=1)
    assert clear.sum() > 30
    np.testing.assert_array_equal(codes[clear], hasher.transform(X)[clear])
    (one,) = session.run(["codes"], {"X": X[:1]})
    np.testing.assert_array_equal(one, codes[:1])
    with pytest.raises(hb.FileError, match="exists already"):
        hasher.export_onnx(tmp_path / "model.onnx")


def test_without_onnx_it_says_what_to_install(tmp_path, monkeypatch, clusters):
    X, y = clusters
    hasher = MIHash(8, epochs=1, random_state=0).fit(X, y)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(hb.MissingExtraError, match=r"hammingbird\[export\]"):
        hasher.export_onnx(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
