"""The radius: known distributions, copies in the folder that must not matter."""

from __future__ import annotations

import numpy as np
import pytest
from scenes import scene
from scipy.stats import binom

from hammingbird.errors import InputError
from hammingbird.images.calibration import calibrate, continued, representatives, share_within
from hammingbird.images.copies import COPIES
from hammingbird.images.describers import make_describer
from hammingbird.images.reading import File, Read, read_folder


def test_the_line_errs_towards_more_pairs():
    true = binom.cdf(np.arange(257), 256, 0.5)
    for lowest in (1e-2, 1e-3, 1e-4):
        trusted, rates = continued(true, lowest)
        assert true[trusted - 1] < lowest <= true[trusted]
        assert np.array_equal(rates[trusted:], true[trusted:])
        assert (rates[:trusted] >= true[:trusted]).all()
        slopes = np.diff(np.log(rates[: trusted + 1]))
        assert np.allclose(slopes, slopes[0]), "a straight line"


def test_shares_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    codes, mirrored = rng.integers(0, 256, (2, 40, 2), dtype=np.uint8)
    counts = np.zeros(17)
    for i in range(40):
        for j in range(40):
            if i != j:
                counts[np.bitwise_count(codes[i] ^ codes[j]).sum()] += 1
                counts[np.bitwise_count(mirrored[i] ^ codes[j]).sum()] += 1
    assert np.allclose(share_within(codes, mirrored, 16), np.minimum(counts.cumsum() / 1560, 1))


def test_one_stands_for_its_copies():
    codes = np.array([[0], [1], [3], [255], [254], [0]], np.uint8)
    far = np.full((6, 1), 0b01010101, np.uint8)
    assert representatives(codes, far, 1).tolist() == [0, 2, 3]


def random_read(n, copies, rng):
    """Codes of ``n`` pictures; of ``copies`` of them four more, at 0, 0, 30 and 50 bits."""
    codes = rng.integers(0, 256, (n, 32), dtype=np.uint8)
    more = [codes[:copies]] * 2
    for flipped in (30, 50):
        bits = np.zeros((copies, 256), np.uint8)
        bits[:, :flipped] = 1
        more.append(codes[:copies] ^ np.packbits(rng.permuted(bits, axis=1), axis=1))
    codes = np.concatenate([codes, *more])
    return codes, rng.integers(0, 256, codes.shape, dtype=np.uint8)


def test_copies_in_the_folder_do_not_matter(folder):
    describer = make_describer()
    path = next(folder.rglob("*.png"))
    rng = np.random.default_rng(0)
    radii = []
    for copies in (0, 100, 1000):
        codes, mirrored = random_read(1000, copies, rng)
        files = [File(path, 1, 1, 1, "")] * len(codes)
        found = calibrate(Read(files, codes, mirrored, {}), describer, 1e-6)
        radii.append(found.radius)
        # Twice, because it may be near straight or mirrored.
        assert 2 * binom.cdf(found.radius, 256, 0.5) <= 1e-6
    assert min(radii) >= 78, radii  # binom.ppf(5e-7, 256, 0.5) is 89
    assert max(radii) - min(radii) <= 8, radii


def test_counted_rates_are_kept_where_they_are_asked_for(folder, tmp_path):
    read = read_folder(folder, make_describer(), tmp_path / "memory")
    found = calibrate(read, make_describer(), 0.2)
    assert found.radius >= found.trusted
    assert found.counted[found.radius] <= 0.2 < found.counted[found.radius + 1]
    assert set(found.found) == set(COPIES)
    assert found.found["resized"][found.radius] == 1


def test_too_few_pictures_say_what_to_do(tmp_path):
    for i in range(5):
        scene(i).save(tmp_path / f"{i}.png")
    read = read_folder(tmp_path, make_describer(), tmp_path / "memory")
    with pytest.raises(InputError, match="give --radius"):
        calibrate(read, make_describer(), 1e-6)
    with pytest.raises(InputError, match="between 0 and 1"):
        calibrate(read, make_describer(), 0)
