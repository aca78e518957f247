"""Every hasher of the catalog keeps the contract, found by discovery."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import hammingbird as hb
from hammingbird import catalog
from hammingbird.testing import CHECKS, check_scikit_learns_own

KNOWN = catalog.methods()
"""With those of packages that are installed beside this one."""
METHODS = [
    pytest.param(name, marks=pytest.mark.deep if method.extra == "deep" else ())
    for name, method in KNOWN.items()
]


CLASSES = {row.path: row for row in reversed(KNOWN.values())}
"""One row of the catalog for each class: rows of one class differ in parameters alone."""


@pytest.fixture(params=METHODS)
def method(request):
    return KNOWN[request.param]


def make(method, n_bits=None, random_state=0):
    """Build a hasher that is quick to fit: a few steps are enough for the contract."""
    hasher = method.make(n_bits, random_state)
    few = {"epochs": 2, "max_iter": 20, "pretraining": 20, "n_layers": 3}
    return hasher.set_params(**{k: v for k, v in few.items() if k in hasher.get_params()})


def refusal(call) -> str:
    """What a call is refused with; nothing if it is not."""
    try:
        call()
    except hb.InputError as error:
        return str(error)
    return ""


def test_a_seed_that_cannot_be_is_refused(method, clusters):
    hasher = make(method, 8)
    if "random_state" in hasher.get_params():
        with pytest.raises(hb.InputError, match="random_state"):
            hasher.set_params(random_state=-1).fit(*clusters)


def fitted(method, clusters, n_bits=12):
    X, y = clusters
    return make(method, n_bits).fit(X, y)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(method, check, monkeypatch):
    if method.extra == "deep":
        pytest.importorskip("torch")
    if check is check_scikit_learns_own:
        if method is not CLASSES[method.path]:
            pytest.skip("these take the longest: once for each class")
        # SciPy looks for an array API setting that scikit-learn's checks need; its absence warns.
        monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    check(partial(make, method))


SCALES = [
    (np.float32, 1e-42),
    (np.float64, 1e-42),
    (np.float64, 1e-200),
    (np.float32, 1e-30),
    (np.float32, 1e30),
    (np.float64, 1e40),
    (np.float64, 1e200),
]


@pytest.mark.parametrize(("kind", "scale"), SCALES)
@pytest.mark.parametrize("path", CLASSES)
def test_extreme_scales_are_learned_or_refused(path, kind, scale, clusters):
    """Never a model whose scores are not finite, never a raw error from inside."""
    X, y = clusters
    X = (X * scale).astype(kind)
    hasher = make(CLASSES[path], 12)
    if why := refusal(lambda: hasher.fit(X, y)):
        assert re.search(r"row \d+, column \d+.*scale X", why)
    else:
        assert np.isfinite(hasher.project(X)).all()
        assert len(np.unique(hasher.transform(X), axis=0)) > 1


@pytest.mark.parametrize("path", CLASSES)
def test_labels_with_none_are_refused_or_not_used(path, clusters):
    X, y = clusters
    y = y.astype(object)
    y[3] = None
    why = refusal(lambda: make(CLASSES[path], 12).fit(X, y))
    assert "-1 to the rows without a label" in why or (
        not why and CLASSES[path].supervision == "none"
    )


def test_rows_far_beyond_those_learned_are_refused(method, clusters):
    X, y = clusters
    hasher = make(method, 12).fit(X.astype(np.float32), y)
    far = X.astype(np.float32)
    far[7] = np.where(np.arange(20) % 2, 3e38, -3e38)
    if why := refusal(lambda: hasher.project(far)):
        assert "row 7 of X has scores that are not finite" in why
        assert refusal(lambda: hasher.transform(far)) == why
    else:
        assert np.isfinite(hasher.project(far)).all()
    wide = X.copy()
    wide[9, 2] = -1e39
    for call in (hasher.transform, hasher.project, lambda X: make(method, 12).fit(X, y)):
        with pytest.raises(hb.InputError, match=r"-1e\+39 in row 9, column 2.*scale X"):
            call(wide)


def test_more_bits_than_the_method_gives_are_refused_or_given(method, clusters):
    X, y = clusters
    if make(method, 50)._max_bits(20) < 50:
        with pytest.raises(hb.InputError, match=r"at most 20 bits.*LSH"):
            make(method, 50).fit(X, y)
    else:
        assert make(method, 50).fit(X, y).transform(X).shape == (len(X), 7)


def test_data_frames_keep_their_index_and_columns_have_names(method, clusters):
    pandas = pytest.importorskip("pandas")
    X, y = clusters
    frame = pandas.DataFrame(X, index=np.arange(len(X)) + 7).rename(columns=str)
    hasher = make(method, 12).set_output(transform="pandas").fit(frame, y)
    found = clone(hasher).fit(frame, y).transform(frame)
    assert list(found.columns) == list(hasher.get_feature_names_out())
    assert list(found.index) == list(frame.index)
    np.testing.assert_array_equal(found.to_numpy(), hasher.encode(frame))


LINEAR = [
    "classical.sign:Sign", "classical.lsh:LSH", "classical.pca:PCAHash", "classical.sgh:SGH",
    "classical.pca:RotatedPCA", "classical.itq:ITQ", "classical.autoencoder:BinaryAutoencoder",
]  # fmt: skip


def linear(hasher):
    """The plain linear hasher that a method serves as; None if it is not linear."""
    return hasher.to_linear() if hasattr(hasher, "to_linear") else None


def test_linear_methods_serve_as_linear(method, clusters, tmp_path):
    X, _ = clusters
    hasher = fitted(method, clusters)
    served = linear(hasher)
    if served is None:
        assert method.path not in LINEAR
        return
    assert type(served) is hb.Linear
    served.save(tmp_path / "served")
    loaded = hb.load(tmp_path / "served")
    for vectors in (X, X.astype(np.float32)):
        np.testing.assert_array_equal(served.project(vectors), hasher.project(vectors))
        np.testing.assert_array_equal(loaded.transform(vectors), hasher.transform(vectors))


@pytest.mark.parametrize("path", CLASSES)
def test_linear_methods_are_exported_without_their_library(path, clusters, tmp_path, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    X = clusters[0].astype(np.float32)
    hasher = fitted(CLASSES[path], clusters)
    if linear(hasher) is None:
        return
    monkeypatch.setitem(sys.modules, "torch.onnx", None)
    hasher.export_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    codes, scores = session.run(["codes", "scores"], {"X": X})
    np.testing.assert_allclose(scores, hasher.project(X), rtol=1e-3, atol=1e-4)
    near = (np.abs(scores) <= 1e-4 * np.abs(scores).max()).any(axis=1)
    assert near.sum() < 30
    np.testing.assert_array_equal(codes[~near], hasher.transform(X)[~near])
    np.testing.assert_array_equal(codes, hb.pack(scores))
    with pytest.raises(hb.FileError, match="exists already"):
        hasher.export_onnx(tmp_path / "model.onnx")


@pytest.mark.deep
def test_linear_deep_methods_encode_without_torch(clusters, tmp_path):
    """Every one of the catalog, in a process where torch cannot be imported."""
    X, y = clusters
    np.save(tmp_path / "X.npy", X)
    for name, method in hb.METHODS.items():
        if method.extra == "deep" and method.path in CLASSES and method is CLASSES[method.path]:
            hasher = fitted(method, clusters)
            if linear(hasher) is not None:
                hasher.save(tmp_path / name)
                np.save(tmp_path / name / "codes.npy", hasher.transform(X))
    hb.make("mihash", 8).set_params(backbone="mlp", epochs=1).fit(X, y).save(tmp_path / "deeper")
    script = """
import sys
from functools import partial
from pathlib import Path

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

if "blocked" in sys.argv:
    sys.meta_path.insert(0, Blocker())
import numpy as np, hammingbird as hb
X, found = np.load("X.npy"), 0
for folder in sorted(Path().iterdir()):
    if (folder / "codes.npy").exists():
        hasher = hb.load(folder, encode_only="blocked" not in sys.argv)
        assert type(hasher) is hb.Linear, folder
        assert np.array_equal(hasher.transform(X), np.load(folder / "codes.npy")), folder
        found += 1
assert "torch" not in sys.modules
try:
    hb.load("deeper", encode_only=True)
except hb.MissingExtraError as error:
    print(error)
print(found)
"""
    for how in ("blocked", "free"):
        done = subprocess.run(
            [sys.executable, "-c", script, how],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.returncode, done.stderr
        assert int(done.stdout.split()[-1]) > 15
        assert ("hammingbird[deep]" in done.stdout) == (how == "blocked")


class TestSavedFolders:
    def save(self, clusters, folder: Path) -> Path:
        hb.ITQ(12, random_state=0).fit(clusters[0]).save(folder)
        return folder

    def test_says_what_it_is(self, clusters, tmp_path):
        folder = self.save(clusters, tmp_path / "model")
        manifest = json.loads((folder / "hasher.json").read_text())
        assert manifest["class"] == "ITQ"
        assert manifest["n_bits"] == 12
        assert manifest["format"] == 1
        assert manifest["bit_order"] == "msb-first"
        assert manifest["parameters"] == {
            "max_iter": 50,
            "n_bits": 12,
            "output": "packed",
            "random_state": 0,
        }

    def test_is_not_written_over(self, clusters, tmp_path):
        folder = self.save(clusters, tmp_path / "model")
        before = (folder / "hasher.json").read_bytes()
        with pytest.raises(hb.FileError, match="exists already"):
            self.save(clusters, folder)
        assert (folder / "hasher.json").read_bytes() == before
        hb.LSH(12, random_state=0).fit(clusters[0]).save(folder, overwrite=True)
        assert isinstance(hb.load(folder), hb.LSH)
        assert [path.name for path in tmp_path.iterdir()] == ["model"]

    def test_other_folders_are_never_replaced(self, clusters, tmp_path):
        (tmp_path / "thesis").mkdir()
        with pytest.raises(hb.FileError, match="not replaced"):
            hb.LSH(12, random_state=0).fit(clusters[0]).save(tmp_path / "thesis", overwrite=True)

    @pytest.mark.parametrize("file", ["hasher.json", "state.safetensors"])
    def test_truncated(self, clusters, tmp_path, file):
        folder = self.save(clusters, tmp_path / "model")
        content = (folder / file).read_bytes()
        (folder / file).write_bytes(content[: len(content) // 2])
        with pytest.raises(hb.FileError, match=r"truncated|cannot be read"):
            hb.load(folder)

    def test_altered_state(self, clusters, tmp_path):
        folder = self.save(clusters, tmp_path / "model")
        content = bytearray((folder / "state.safetensors").read_bytes())
        content[-1] ^= 1
        (folder / "state.safetensors").write_bytes(content)
        with pytest.raises(hb.FileError, match="altered"):
            hb.load(folder)

    def test_altered_manifest(self, clusters, tmp_path):
        folder = self.save(clusters, tmp_path / "model")
        text = (folder / "hasher.json").read_text()
        (folder / "hasher.json").write_text(text.replace('"max_iter": 50', '"max_iter": 51'))
        with pytest.raises(hb.FileError, match="altered"):
            hb.load(folder)

    def test_missing_file(self, clusters, tmp_path):
        folder = self.save(clusters, tmp_path / "model")
        (folder / "state.safetensors").unlink()
        with pytest.raises(hb.FileError, match="missing"):
            hb.load(folder)

    def test_newer(self, clusters, tmp_path, monkeypatch):
        monkeypatch.setattr("hammingbird.storage.manifests.FORMAT", 2)
        folder = self.save(clusters, tmp_path / "model")
        monkeypatch.undo()
        with pytest.raises(hb.FileError, match="upgrade"):
            hb.load(folder)

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"kind": "hasher"}', "\x00\xff"])
    def test_foreign(self, tmp_path, content):
        (tmp_path / "hasher.json").write_text(content)
        with pytest.raises(hb.FileError):
            hb.load(tmp_path)
        with pytest.raises(hb.FileError, match="not a saved hasher"):
            hb.load(tmp_path / "nothing")

    @pytest.mark.parametrize(
        "change",
        [
            {"class": "Popen"},
            {"class": "os.system"},
            {"parameters": {"command": "echo"}},
            {"state": {"fit": 1}},
            {"state": {"__class__": "x"}},
            {"n_bits": "many"},
        ],
    )
    def test_hostile_but_well_signed(self, clusters, tmp_path, change):
        from hammingbird.storage import save_folder

        hb.ITQ(12, random_state=0).fit(clusters[0]).save(tmp_path / "good")
        manifest = json.loads((tmp_path / "good" / "hasher.json").read_text())
        state = (tmp_path / "good" / "state.safetensors").read_bytes()
        keep = {k: manifest[k] for k in ("class", "parameters", "n_bits", "state")}
        save_folder(
            tmp_path / "bad",
            "hasher",
            {**keep, **change},
            lambda folder: (folder / "state.safetensors").write_bytes(state),
        )
        with pytest.raises(hb.FileError):
            hb.load(tmp_path / "bad")

    def test_a_full_disk_leaves_nothing_behind(self, clusters, tmp_path, monkeypatch):
        def full(*_args, **_kwargs):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("hammingbird.hasher.save_file", full)
        with pytest.raises(hb.FileError, match="No space left"):
            self.save(clusters, tmp_path / "model")
        assert not list(tmp_path.iterdir())

    def test_parameters_that_are_not_json(self, clusters, tmp_path):
        hasher = hb.LSH(12, random_state=np.random.RandomState(0)).fit(clusters[0])
        with pytest.raises(hb.InputError, match="integer random_state"):
            hasher.save(tmp_path / "model")


HEAVY = ("sklearn", "scipy", "torch", "pandas", "tqdm", "threadpoolctl", "importlib.metadata")
"""What neither the import of the package nor the codes of a saved linear model need."""


@pytest.mark.parametrize("path", [*LINEAR, "linear:Linear"])
def test_a_saved_linear_model_encodes_without_heavy_libraries(path, clusters, tmp_path):
    X, _ = clusters
    if path in LINEAR:
        hasher = fitted(CLASSES[path], clusters)
    else:
        hasher = hb.PCAHash(12).fit(X).to_linear()
    hasher.save(tmp_path / "model")
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "codes.npy", hasher.transform(X))
    script = f"""
import sys
import hammingbird as hb, numpy as np
codes = hb.load("model").transform(np.load("X.npy"))
assert np.array_equal(codes, np.load("codes.npy"))
print([name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    assert done.stdout.strip() == "[]"


def test_every_class_of_the_catalog_is_at_the_top():
    for method in hb.METHODS.values():
        name = method.path.partition(":")[2]
        assert name in hb.__all__
        assert getattr(hb, name) is method.hasher_class


@pytest.mark.parametrize("path", CLASSES)
def test_a_row_and_its_class_agree_on_what_fit_needs(path):
    """The catalog lists what is needed, and compare asks the class."""
    row = CLASSES[path]
    hasher = row.make(12, 0)
    assert bool(hasher.supervised) == (row.supervision != "none")
    assert hasher.get_params()["output"] == "packed"


def test_every_public_name_loads():
    for name in hb.__all__:
        assert getattr(hb, name) is not None
    with pytest.raises(AttributeError):
        _ = hb.nothing
