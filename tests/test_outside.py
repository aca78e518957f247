"""Methods that are not of this library: given, installed, loaded."""

from __future__ import annotations

import sys
import textwrap

import numpy as np
import pytest

import hammingbird as hb
from hammingbird import catalog
from hammingbird.comparison.code import code_of_method
from hammingbird.hasher import Hasher


class Median(Hasher):
    """Is a dimension above its training median?"""

    def __init__(self, n_bits=8, shift=0.0):
        self.n_bits = n_bits
        self.shift = shift

    def _fit(self, X, y):
        self.median_ = np.median(X[:, : self.n_bits_], axis=0) + self.shift

    def _project(self, X):
        return X[:, : self.n_bits_] - self.median_


class Bare(Median):
    def __init__(self):
        pass


class Taught(Median):
    """Learns nothing unless it is told."""

    supervised = True

    def _fit(self, X, y):
        assert y is not None
        super()._fit(X, y)


class ITQ(Median):
    """The name of a class of the library, of someone else."""


@pytest.fixture
def data(clusters):
    return clusters[0][:240], clusters[0][240:]


def compare(data, tmp_path, methods, bits=(8,), **rest):
    return hb.compare(*data, methods=methods, bits=bits, out=tmp_path / "run", **rest)


def test_methods_from_outside_are_compared_and_reported(data, tmp_path):
    pytest.importorskip("matplotlib")
    methods = ["itq", Median(shift=0.5), ("mine", lambda n_bits, seed: Median(n_bits, float(seed)))]
    results = compare(data, tmp_path, methods, bits=[8, 16], seeds=[0, 1])
    mine = [r for r in results["records"] if r["role"] == "method"]
    assert {(r["method"], r["bits"]) for r in mine} == {
        (name, bits) for name in ("itq", "median", "mine") for bits in (8, 16)
    }
    codes = np.load(tmp_path / "run" / "cells" / "median-16-1" / "database.npy")
    np.testing.assert_array_equal(codes, Median(16, 0.5).fit_transform(data[0]))
    codes = np.load(tmp_path / "run" / "cells" / "mine-8-1" / "database.npy")
    np.testing.assert_array_equal(codes, Median(8, 1.0).fit_transform(data[0]))
    assert "median" in hb.write_report(tmp_path / "run").read_text("utf-8")
    model = tmp_path / "run" / "models" / "median-16-0"
    assert hb.load(model, classes=[Median]).shift == 0.5


def test_a_class_alone_is_a_method(data, tmp_path):
    results = compare(data, tmp_path, [Median, ("by-hand", Median)])
    names = [r["method"] for r in results["records"] if r["role"] == "method"]
    assert names == ["median", "by-hand"]


def test_a_hasher_that_was_given_stays_as_it_was(data, tmp_path):
    given = Median(3)
    compare(data, tmp_path, [given])
    assert given.n_bits == 3
    assert not hasattr(given, "median_")


def test_a_supervised_method_from_outside_is_given_targets(data, tmp_path):
    results = compare(data, tmp_path, [Taught])
    assert [r["method"] for r in results["records"] if r["role"] == "method"] == ["taught"]


def test_cells_from_outside_are_kept_or_made_anew(data, tmp_path, monkeypatch):
    fits = []
    fit = Median._fit
    monkeypatch.setattr(Median, "_fit", lambda *a: fits.append(1) or fit(*a))
    for shift, count in ((0.5, 1), (0.5, 1), (0.25, 2)):
        compare(data, tmp_path, [Median(shift=shift)])
        assert len(fits) == count


def test_the_code_of_a_method_from_outside_is_its_package(tmp_path, monkeypatch):
    package = tmp_path / "their_package"
    package.mkdir()
    (package / "__init__.py").write_text("from hammingbird import LSH\nclass Their(LSH): pass\n")
    (package / "net.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    import their_package

    names = {code_of_method(their_package.Their), code_of_method(their_package.Their)}
    (package / "net.py").write_text("changed = True")
    names.add(code_of_method(their_package.Their))
    assert len(names) == 2
    typed = type("Typed", (Median,), {"__module__": "__main__"})
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    monkeypatch.delattr(sys.modules["__main__"], "__path__", raising=False)
    assert code_of_method(typed) != code_of_method(typed)


@pytest.mark.parametrize(
    ("methods", "says"),
    [
        ([Bare], "Bare has no parameter n_bits"),
        ([("mine", lambda n_bits, seed: Median(16))], "asked for 8 bits and made a Median of 16"),
        ([("mine", lambda n_bits, seed: None)], "'mine' must make a Hasher, it made a NoneType"),
        ([("../mine", Median)], "a method's name must be letters"),
        ([Median(), Median(shift=1.0)], "two methods are called 'median'"),
        ([hb.ITQ(max_iter=3), "itq"], "two methods are called 'itq'"),
        ([hb.LSH(center=True)], "'lsh' is a floor: name yours"),
        ([3], "a method must be a name of the catalog"),
        ([("mine", 3)], "a method must be a name of the catalog"),
        ([np.ndarray], "a method must be a name of the catalog"),
    ],
)
def test_methods_that_cannot_be_are_refused_before_anything_is_fitted(
    data, tmp_path, methods, says
):
    with pytest.raises(hb.InputError, match=says):
        compare(data, tmp_path, methods)
    assert not (tmp_path / "run").exists()


def test_scores_of_another_length_are_refused(data):
    class Short(Median):
        def _project(self, X):
            return X[:, :1]

    with pytest.raises(hb.InputError, match=r"_project must give scores \[\d+, 8\], it gave"):
        Short().fit(data[0]).transform(data[1])


def test_a_class_from_outside_is_loaded_only_if_it_is_given(data, tmp_path):
    hasher = Median(12, 0.1).fit(data[0])
    hasher.save(tmp_path / "model")
    with pytest.raises(hb.FileError, match=r"'Median' of '.*test_outside'.*classes=\[Median\]"):
        hb.load(tmp_path / "model")
    loaded = hb.load(tmp_path / "model", classes=[Bare, Median])
    np.testing.assert_array_equal(loaded.transform(data[1]), hasher.transform(data[1]))


def test_a_class_of_the_same_name_is_not_taken_for_it(data, tmp_path):
    ITQ(12).fit(data[0]).save(tmp_path / "model")
    with pytest.raises(hb.FileError, match="'ITQ' of"):
        hb.load(tmp_path / "model")
    assert type(hb.load(tmp_path / "model", classes=[ITQ])) is ITQ


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Write packages with their dist-info, and let them be found."""
    site = tmp_path / "site"
    site.mkdir()

    def install(name, entries, code):
        (site / f"{name}.py").write_text(textwrap.dedent(code))
        info = site / f"{name}-0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
        (info / "entry_points.txt").write_text(f"[hammingbird.methods]\n{entries}\n")

    monkeypatch.syspath_prepend(site)
    before = set(sys.modules)
    yield install
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and site.as_posix() in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


FIRST = """
    from hammingbird.hasher import Hasher

    class First(Hasher):
        '''The first dimensions.'''

        def __init__(self, n_bits=8):
            self.n_bits = n_bits

        def _fit(self, X, y):
            self.first_ = X[:, : self.n_bits_].mean(axis=0)

        def _project(self, X):
            return X[:, : self.n_bits_] - self.first_
"""


def test_an_installed_method_is_known_by_name(packages, data, tmp_path, capsys):
    packages("first_bits", "First-Bits = first_bits:First", FIRST)
    assert "first-bits" in catalog.methods()
    record = catalog.get("first-bits").record()
    assert record["summary"] == "The first dimensions."
    assert record["paper"] == "first_bits 0.1"
    assert record["supervision"] == "none"
    results = compare(data, tmp_path, ["first-bits"])
    assert [r["method"] for r in results["records"] if r["role"] == "method"] == ["first-bits"]
    model = hb.load(tmp_path / "run" / "models" / "first-bits-8-0")
    assert type(model).__name__ == "First"
    assert hb.make("first-bits", 4).fit(data[0]).transform(data[1]).shape == (60, 1)


def test_a_package_that_cannot_be_imported_is_named_and_harms_nothing(packages, data, tmp_path):
    packages("broken", "broken = broken:Nothing", "import there_is_no_such_module")
    packages("other", "other = other:thing", "thing = 3")
    packages("first_bits", "first-bits = first_bits:First", FIRST)
    records = {row["name"]: row for row in (m.record() for m in catalog.methods().values())}
    assert "broken 0.1 cannot be imported" in records["broken"]["summary"]
    assert "there_is_no_such_module" in records["broken"]["summary"]
    assert records["first-bits"]["summary"] == "The first dimensions."
    for name, says in (("broken", "there_is_no_such_module"), ("other", "must be a subclass")):
        with pytest.raises(hb.InputError, match=says):
            compare(data, tmp_path, [name])
    compare(data, tmp_path, ["itq", "first-bits"])


def test_names_are_taken_once(packages):
    packages("first_bits", "itq = first_bits:First", FIRST)
    with pytest.warns(RuntimeWarning, match="'itq' of first_bits 0.1 is left out: hammingbird has"):
        known = catalog.methods()
    assert known["itq"] is hb.METHODS["itq"]
