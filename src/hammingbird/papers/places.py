"""Where the data lie on the user's disk, and where each comes from."""

from __future__ import annotations

import os
from pathlib import Path

from hammingbird.errors import FileError
from hammingbird.storage import fingerprint

VARIABLE = "HAMMINGBIRD_DATA"
ORIGINS = {
    "mnist": "MNIST's four idx files, 11 MB; as pictures in rasbt/mnist-pngs, MIT",
    "cifar10": "CIFAR-10 as image Parquet, and its MobileNetV2 features, 55 MB; "
    "www.cs.toronto.edu/~kriz/cifar.html, to be cited",
    "imagenet100-tiny": "100 classes of Tiny-ImageNet at 64 pixels, and their MobileNetV2 "
    "features, 39 MB; image-net.org, for research only",
    "gist": "512-d GIST of 22,000 Tiny-ImageNet pictures, 9 MB; image-net.org, for research only",
    "sift": "SIFT descriptors as .bvecs, 11 MB; the format of corpus-texmex.irisa.fr",
    "word2vec": "71,291 skip-gram vectors of 100 dimensions, 14 MB; any word2vec makes them",
    "banking77": "PolyAI's Banking77 under all-MiniLM-L6-v2, 10 MB; "
    "PolyAI-LDN/task-specific-datasets, CC BY 4.0",
    "tmc2007": "TMC2007-500, 28,596 aviation reports, 1 MB; mulan.sourceforge.net",
    "imagenet100_hashnet": "the 133,503 pictures of HashNet's lists out of ILSVRC2012, 15 GB, as "
    "vectors that hammingbird features writes; image-net.org, for research only",
    "coco": "MS COCO's train2014 and val2014, 19 GB, as vectors that hammingbird features writes; "
    "cocodataset.org, pictures under Flickr's terms, labels CC BY 4.0",
    "nuswide_81": "NUS-WIDE's pictures, some 200,000 by their Flickr links, as vectors that "
    "hammingbird features writes, and train.txt, test.txt and database.txt of thuml/HashNet; "
    "lms.comp.nus.edu.sg/research/NUS-WIDE.htm, for research only",
    "nuswide_21": "NUS-WIDE's 195,834 pictures of 21 concepts, as vectors that hammingbird "
    "features writes, and train.txt, test.txt and database.txt of swuxyj/DeepHash-pytorch; "
    "lms.comp.nus.edu.sg/research/NUS-WIDE.htm, for research only",
    "lists": "HashNet's lists as .npz, 1 MB; made from thuml/HashNet, MIT",
    "labelme": "LabelMe_gist.mat, GIST of 22,019 pictures, 45 MB or more; "
    "cs.nyu.edu/~fergus/research, for research",
    "sift1m": "ANN_SIFT1M, .5 GB; corpus-texmex.irisa.fr, CC0",
    "gist1m": "ANN_GIST1M, 4 GB; corpus-texmex.irisa.fr, CC0",
    "sift1b": "ANN_SIFT1B (BIGANN), 132 GB unpacked; corpus-texmex.irisa.fr, CC0",
    "weights": "MobileNetV2 1.0 at 224 pixels, quantized, its arrays as .npz, 4 MB; "
    "google-coral/test_data, Apache-2.0",
}
"""What each folder holds, how large it is, where it comes from, and under which terms."""


class MissingDataError(FileError):
    """A file that a result is made from is not there; ``what`` says so without a place on disk."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path} is missing: set {VARIABLE} to the folder that holds {what}")
        self.what = what


def data_folder() -> Path:
    """Return the folder that ``HAMMINGBIRD_DATA`` names, else ``../shared/data``."""
    return Path(os.environ.get(VARIABLE, "../shared/data"))


def data_file(name: str) -> Path:
    """Return a file of the data folder; if it is missing, say where it comes from."""
    path = data_folder() / name
    if not path.exists():
        known = ORIGINS.get(name.partition("/")[0], "a file of your own")
        raise MissingDataError(path, f"{name} ({known})")
    return path


def data_listing() -> str:
    """Return a short name of the files in the data folder, by their places and sizes."""
    folder = data_folder()
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return fingerprint({str(file.relative_to(folder)): file.stat().st_size for file in files})
