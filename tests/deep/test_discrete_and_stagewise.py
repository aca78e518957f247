"""DSDH's discrete codes, CNNH's first stage and VDSH, against slow twins and their traps."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import hammingbird as hb
from hammingbird import InputError
from hammingbird.deep.layerwise import Layers
from hammingbird.deep.methods.cnnh import CNNH
from hammingbird.deep.methods.dbdh import DBDH
from hammingbird.deep.methods.dsdh import DSDH
from hammingbird.deep.methods.vdsh import VDSH
from hammingbird.deep.objective import Batch, Problem
from hammingbird.deep.objectives.code_regression import (
    CodeRegression,
    _newton_column,
    factorization_error,
    share_a_label,
    similarity_codes,
)
from hammingbird.deep.objectives.discrete import (
    DiscreteCodes,
    cyclic_descent,
    indicator,
    ridge_regression,
)

pytestmark = pytest.mark.deep


def objective_of(B, U, Y, W, mu):
    return float(((B - U) ** 2).sum() + mu * ((Y - B @ W) ** 2).sum())


class TestCyclicDescent:
    def setup_method(self):
        torch.manual_seed(0)
        self.U = torch.randn(30, 6, dtype=torch.float64)
        self.Y = torch.nn.functional.one_hot(torch.arange(30) % 4).double()
        self.W = torch.randn(6, 4, dtype=torch.float64)
        self.mu = 0.7
        self.follow = self.U + self.mu * self.Y @ self.W.T
        self.gram = self.mu * self.W @ self.W.T
        self.start = torch.where(torch.rand(30, 6) < 0.5, -1.0, 1.0).double()

    def test_no_sweep_raises_the_objective_and_the_end_is_a_minimum_per_bit(self):
        codes, last = self.start, objective_of(self.start, self.U, self.Y, self.W, self.mu)
        for _ in range(8):
            codes = cyclic_descent(codes, self.follow, self.gram, 1)
            now = objective_of(codes, self.U, self.Y, self.W, self.mu)
            assert now <= last + 1e-9
            last = now
        codes = cyclic_descent(self.start, self.follow, self.gram, 50)
        best = objective_of(codes, self.U, self.Y, self.W, self.mu)
        for i in range(30):
            for k in range(6):
                flipped = codes.clone()
                flipped[i, k] *= -1
                assert objective_of(flipped, self.U, self.Y, self.W, self.mu) >= best - 1e-9

    def test_bits_that_make_no_difference_stay(self):
        codes = cyclic_descent(self.start, 0 * self.start, 0 * self.gram, 3)
        assert torch.equal(codes, self.start)

    def test_ridge_regression(self):
        W = ridge_regression(self.U, self.Y, 0.5)
        expected = np.linalg.solve(
            (self.U.T @ self.U).numpy() + 0.5 * np.eye(6), (self.U.T @ self.Y).numpy()
        )
        np.testing.assert_allclose(W, expected)


class TestDiscreteCodes:
    def made(self, **parameters):
        objective = DiscreteCodes(**parameters)
        y = torch.arange(12) % 3
        y[5] = -1
        objective.prepare(Problem(n_rows=12, n_bits=8, n_features=1, n_classes=3, y=y))
        return objective, y

    def batch(self, rows, y, outputs):
        return Batch(logits=outputs, outputs=outputs, index=rows, y=y[rows])

    def test_starts_from_random_signs(self):
        objective, _ = self.made()
        assert set(objective.codes.unique().tolist()) == {-1.0, 1.0}

    def test_unvisited_rows_are_left_alone(self):
        objective, y = self.made()
        before = objective.codes.clone()
        rows = torch.tensor([3, 1, 4, 7, 9, 5])
        outputs = torch.randn(6, 8)
        first = objective(self.batch(rows, y, outputs))
        # Before any codes were solved a row follows its own sign.
        assert float(first) == pytest.approx(float((outputs.abs() - 1).square().mean()))
        objective.epoch_end()
        unseen = [i for i in range(12) if i not in rows.tolist()]
        assert torch.equal(objective.codes[unseen], before[unseen])
        assert objective.solved.sum() == 6
        known = rows != 5
        signs = torch.where(outputs >= 0, 1.0, -1.0)
        Y = indicator(y, 3)[rows].float()
        W = ridge_regression(before[rows][known], Y[known], objective.ridge)
        found = objective.codes[rows]
        assert torch.equal(found[~known], signs[~known])  # it has no label
        start = before[rows]
        assert objective_of(found[known], outputs[known], Y[known], W, 1.0) <= objective_of(
            start[known], outputs[known], Y[known], W, 1.0
        )

    def test_banks_go_by_row_number(self):
        objective, y = self.made()
        order = torch.tensor([7, 2, 11, 0, 1, 3, 4, 5, 6, 8, 9, 10])
        outputs = torch.arange(12.0)[:, None].expand(12, 8)  # a function of the row
        objective(self.batch(order, y, outputs[order]))
        torch.testing.assert_close(objective.latest.codes, outputs)

    def test_per_batch_mode_keeps_no_state(self):
        objective, y = self.made(refit="batch")
        before = {name: value.clone() for name, value in objective.state_dict().items()}
        outputs = torch.randn(12, 8, requires_grad=True)
        objective(self.batch(torch.arange(12), y, outputs)).backward()
        objective.epoch_end()
        assert outputs.grad.abs().sum() > 0
        for name, value in objective.state_dict().items():
            assert torch.equal(value, before[name])

    @pytest.mark.parametrize("bad", [{"mu": -1.0}, {"ridge": 0.0}, {"refit": "never"}])
    def test_bad_parameters(self, bad):
        with pytest.raises(InputError):
            DiscreteCodes(**bad)


def slow_pairs(U, bank, rows, y, scale):
    """Mean of DPSH's pair terms between rows of a batch and all rows of a bank, by loops."""
    terms = []
    for a, i in enumerate(rows):
        for j in range(len(bank)):
            if i != j:
                theta = scale * float(U[a] @ bank[j])
                terms.append(np.logaddexp(0, theta) - float(y[i] == y[j]) * theta)
    return np.mean(terms)


class TestPapersLosses:
    """The default parts of DSDH and DBDH against their papers' sums, the bank included."""

    y = torch.arange(10) % 3
    rows = torch.tensor([8, 1, 4, 5])

    def losses(self, hasher):
        """The last batch's terms by name, its outputs, and what the bank holds."""
        hasher.n_bits_ = 6
        objective, relaxation = hasher._parts()
        objective.prepare(Problem(n_rows=10, n_bits=6, n_features=1, n_classes=3, y=self.y))
        torch.manual_seed(0)
        bank = torch.zeros(10, 6)
        for rows in (torch.arange(10), self.rows):
            logits = torch.randn(len(rows), 6)
            outputs = relaxation(logits)
            bank[rows] = outputs
            made = Batch(logits=logits, outputs=outputs, index=rows, y=self.y[rows])
            terms = {name: (w, float(part(made))) for name, w, part in objective.terms()}
        return terms, outputs, bank

    def test_dsdh(self):
        terms, U, bank = self.losses(DSDH(6, eta=0.7))
        pairs = slow_pairs(U, bank, self.rows.tolist(), self.y, 0.5)
        B = torch.where(U >= 0, 1.0, -1.0)  # before the first solve
        assert terms["PairwiseLikelihood"] == (1.0, pytest.approx(pairs, rel=1e-5))
        assert terms["DiscreteCodes"] == (0.7, pytest.approx(float(((B - U) ** 2).mean())))

    @pytest.mark.parametrize("over", ["samples", "bits"])
    def test_dbdh(self, over):
        terms, U, bank = self.losses(DBDH(6, alpha=0.3, over=over))
        assert set(U.unique().tolist()) == {-1.0, 1.0}  # exact codes, as in DPSH at its end
        pairs = slow_pairs(U, bank, self.rows.tolist(), self.y, 0.5)
        mean = U.numpy().mean(axis=0 if over == "samples" else 1)
        assert terms["PairwiseLikelihood"] == (1.0, pytest.approx(pairs, rel=1e-5))
        assert terms["Balance"] == (0.3, pytest.approx(float((mean**2).mean()), abs=1e-7))

    @pytest.mark.parametrize("name", ["dsdh", "dbdh", "dsdh_d", "dbdh_d"])
    def test_what_is_not_in_the_paper_is_a_parameter_and_off(self, name):
        known = hb.make(name, 6).get_params()
        assert (known["balanced"], known["bank"], known["scale"]) == (False, True, 0.5)

    def test_no_step_of_an_epoch_raises_what_dsdh_minimises(self):
        objective = DiscreteCodes(mu=0.8, ridge=0.3)
        objective.prepare(Problem(n_rows=10, n_bits=6, n_features=1, n_classes=3, y=self.y))
        torch.manual_seed(1)
        U, Y = torch.randn(10, 6), indicator(self.y, 3).float()
        objective(Batch(logits=U, outputs=U, index=torch.arange(10), y=self.y))

        def least(B):  # over W
            W = ridge_regression(B, Y, 0.3)
            return objective_of(B, U, Y, W, 0.8) + 0.8 * 0.3 * float((W**2).sum())

        before = least(objective.codes)
        for _ in range(5):
            objective.epoch_end()
            now = least(objective.codes)
            assert now <= before + 1e-4
            before = now


class TestSimilarityCodes:
    def test_newton_steps_against_a_slow_twin(self):
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 2, (7, 3)).astype(bool)
        labels[:, 0] |= ~labels.any(axis=1)
        S, n = share_a_label(labels), np.array([1.0, 3, 2, 1, 1, 4, 2])
        H = rng.uniform(-1, 1, (7, 4))
        slow = H.copy()
        for i in range(7):
            L = slow @ slow.T - 4 * S
            slope = sum(n[j] * L[i, j] * slow[j, 2] for j in range(7))
            curvature = sum(n[j] * slow[j, 2] ** 2 for j in range(7))
            curvature += n[i] * (slow[i, 2] ** 2 + L[i, i])
            goal = slow[i, 2] - slope / curvature if curvature > 0 else -np.sign(slope)
            slow[i, 2] = np.clip(goal, -1, 1)
        _newton_column(H, 2, S, n)
        np.testing.assert_allclose(H, slow)

    def test_slope_is_the_gradient_of_the_error(self):
        rng = np.random.default_rng(1)
        S, n = share_a_label(np.arange(5)), np.array([1.0, 2, 3, 1, 2])
        H = rng.uniform(-1, 1, (5, 3))
        L = H @ H.T - 3 * S
        analytic = 4 * n[:, None] * (L @ (n[:, None] * H))
        for i in range(5):
            for k in range(3):
                up, down = H.copy(), H.copy()
                up[i, k] += 1e-5
                down[i, k] -= 1e-5
                slope = (factorization_error(up, S, n) - factorization_error(down, S, n)) / 2e-5
                assert slope == pytest.approx(analytic[i, k], rel=1e-5)

    def test_equal_labels_have_equal_codes_and_classes_differ(self):
        y = torch.arange(60) % 6
        codes = similarity_codes(y, 16)
        assert all(torch.equal(codes[i], codes[i % 6]) for i in range(60))
        assert len(torch.unique(codes, dim=0)) == 6
        product = codes[:6] @ codes[:6].T
        assert product[~torch.eye(6, dtype=torch.bool)].max() <= 6

    def test_rows_without_a_label_have_no_code(self):
        y = torch.tensor([0, 1, -1, 0, 2])
        codes = similarity_codes(y, 8)
        assert (codes[2] == 0).all()
        assert (codes[[0, 1, 3, 4]].abs() == 1).all()
        objective = CodeRegression()
        objective.prepare(Problem(n_rows=5, n_bits=8, n_features=1, n_classes=3, y=y))
        rows = torch.tensor([4, 2, 0])
        logits = 50 * objective.codes[rows]
        batch = Batch(logits=logits, outputs=logits.tanh(), index=rows, y=y[rows])
        assert float(objective(batch)) == pytest.approx(0, abs=1e-6)


def test_no_row_is_called_cnnh_plus():
    # The paper's reads the class beside the bits, from the features; ours would read it from them.
    assert "cnnh+" not in hb.METHODS
    assert not any(m.parameters.get("classification") for m in hb.METHODS.values())


def function_of_the_row_number():
    """Rows in order of class: a bank or a list of targets that is shuffled trains on noise."""
    rng = np.random.default_rng(0)
    y = np.arange(240) // 60
    X = 3 * rng.standard_normal((4, 12))[y] + rng.standard_normal((240, 12))
    return X, y


@pytest.mark.parametrize(
    "hasher",
    [
        CNNH(16, epochs=60, learning_rate=1e-2, random_state=0),
        DSDH(16, epochs=60, learning_rate=1e-2, random_state=0),
        VDSH(16, width=64, random_state=0),
        VDSH(16, width=64, posterior="added", random_state=0),
    ],
    ids=["CNNH", "DSDH", "VDSH", "VDSH_D"],
)
def test_targets_go_by_row_number(hasher):
    X, y = function_of_the_row_number()
    codes = hasher.fit(X, y).transform(X)
    found = hb.evaluate(codes, codes, query_labels=y, database_labels=y, n_bits=16, metrics=["map"])
    assert found["map"] > 0.9


def slow_objective(layers, codes):
    """What the layers lower, layer by layer from its formula, in double precision."""
    h, total = layers.X.double().numpy(), 0.0
    for i, weights in enumerate(layers.weights):
        W, bias = weights[:-1].double().numpy(), weights[-1].double().numpy()
        target = (codes if i == layers.n_layers else layers.activations[i]).double().numpy()
        prior = np.eye(len(W)) if 0 < i < layers.n_layers else 0.0
        error = ((target - h @ W - bias) ** 2).sum()
        error += layers.ridge * len(h) * ((W - prior) ** 2).sum()
        total += layers.coupling ** (i - layers.n_layers) * error
        h = np.maximum(target, 0)
    return total


class TestVDSH:
    @pytest.mark.parametrize("coupling", [1.0, 100.0])
    def test_no_block_raises_the_objective(self, clusters, monkeypatch, coupling):
        """Nor does a sweep raise that of the net itself, whose activations are its own."""
        X, y = clusters
        steps = {"ease": 0, "rest": 0, "fit": 0, "sweep": 0}

        def watch(name):
            block = getattr(Layers, name)

            def watched(self, *arguments):
                codes = arguments[-1] if name != "rest" else torch.ones(len(X), 12)
                before = slow_objective(self, codes)
                assert self.objective(codes) == pytest.approx(before, rel=1e-4)
                block(self, *arguments)
                assert slow_objective(self, codes) <= before * (1 + 1e-5)
                steps[name] += 1

            monkeypatch.setattr(Layers, name, watched)

        for name in steps:
            watch(name)
        VDSH(12, width=24, n_layers=5, sweeps=3, coupling=coupling, random_state=0).fit(X, y)
        assert steps == {"ease": 15, "rest": 15, "fit": 21, "sweep": 3}

    def test_it_is_stable_when_deep(self):
        """Sixteen layers still fit the codes, and tell rows apart that were not learned."""
        rng = np.random.default_rng(0)
        y = np.arange(600) % 12
        X = 1.2 * rng.standard_normal((12, 20))[y] + rng.standard_normal((600, 20))
        found = {}
        for n_layers in (3, 16):
            hasher = VDSH(16, width=64, n_layers=n_layers, random_state=0).fit(X[:400], y[:400])
            found[n_layers] = hb.evaluate(
                hasher.transform(X[400:]), hasher.transform(X[:400]), n_bits=16,
                query_labels=y[400:], database_labels=y[:400], metrics=["map"],
            )["map"]  # fmt: skip
        assert found[16] > found[3] - 0.03, found

    def test_saves_and_loads(self, clusters, tmp_path):
        X, y = clusters
        hasher = VDSH(12, width=32, n_layers=1, random_state=0).fit(X, y)
        hasher.save(tmp_path / "model")
        np.testing.assert_array_equal(hb.load(tmp_path / "model").transform(X), hasher.transform(X))

    def test_says_what_it_needs(self, clusters):
        X, y = clusters
        with pytest.raises(InputError, match="needs y"):
            VDSH(8).fit(X)
        with pytest.raises(InputError, match="n_layers"):
            VDSH(8, n_layers=0).fit(X, y)
        with pytest.raises(InputError, match="posterior must be"):
            VDSH(8, posterior="always").fit(X, y)
        pairs = hb.Pairs(np.array([0]), np.array([1]), np.array([True]))
        with pytest.raises(InputError, match="labels or label sets"):
            VDSH(8).fit(X, pairs)
