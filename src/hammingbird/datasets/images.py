"""Pictures decoded with Pillow: folders of image files, and what image Parquet shares with them."""

from __future__ import annotations

import io
import os
from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hammingbird.datasets.source import Array, Dataset, Source, reading
from hammingbird.errors import FileError, HammingbirdError, InputError, MissingExtraError

if TYPE_CHECKING:
    from PIL.Image import Image

    from hammingbird.hasher import Hasher

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What Pillow may take a picture for, whatever its name: others start programs (PostScript)."""
GREY = ("1", "L", "LA")
COLOUR = ("RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV")
TASK = 64
"""Pictures per task of the thread pool: small ones cost less than handing them over."""


Frame = tuple[int, ...]
"""Height and width of pictures, and 3 if they are coloured."""
Size = int | Frame | None
"""What pictures are resized to: squares in colours of their own, a frame, or nothing."""


class Picture(NamedTuple):
    """One encoded image and the name to call it by in messages."""

    name: str
    content: bytes | Path


class Pictures(Source):
    """Encoded images that become rows of bytes; all of one size, or resized to ``size``.

    The headers of all images are read once before the first is decoded. Unless ``size`` is a frame,
    images become grey [n, h, w] if every one is grey, else RGB [n, h, w, 3].
    """

    def __init__(self, path: Path, n: int, size: Size) -> None:
        self.path, self._resize = path, size is not None
        if not n:
            raise FileError(f"{path} is empty: it holds no image")
        self.frame = self._survey(size)
        self.shape = (n, int(np.prod(self.frame)))

    @abstractmethod
    def pictures(self) -> Iterator[Picture]:
        """Yield the encoded images in the order of the rows."""

    @abstractmethod
    def labels(self) -> tuple[Array | None, Array | None]:
        """Return the labels [n] and the names of the classes, None where there are none."""

    def load(self) -> Dataset:
        """Decode all images into one array."""
        y, classes = self.labels()
        with reading(self.path):
            images = np.empty((self.shape[0], *self.frame), np.uint8)
        with tqdm(total=len(images), desc=f"decode {self.path.name}", disable=None) as bar:
            done = 0  # the bar does not count where it is not shown
            for block in self.decoded(TASK * 16):
                images[done : done + len(block)] = block
                done += len(block)
                bar.update(len(block))
        X = images.reshape(self.shape)
        return Dataset(self.path.name, X, y, images, classes=classes, names=self.names)

    def blocks(self, rows: int) -> Iterator[Array]:
        """Decode the images block by block."""
        for block in self.decoded(rows):
            yield block.reshape(len(block), -1)

    def decoded(self, rows: int, start: int = 0) -> Iterator[NDArray[np.uint8]]:
        """Decode the images from number ``start`` on, by ``rows``, each block [m, h, w(, 3)]."""
        with reading(self.path), ThreadPoolExecutor() as pool:
            for group in _groups(islice(self.pictures(), start, None), rows):
                block = np.empty((len(group), *self.frame), np.uint8)
                tasks = [slice(start, start + TASK) for start in range(0, len(group), TASK)]
                list(pool.map(self._decode, [group[t] for t in tasks], [block[t] for t in tasks]))
                yield block

    def _survey(self, size: Size) -> Frame:
        first, colour = None, False
        for picture in self.pictures():
            with opened(self.path, picture) as image:
                if image.mode not in GREY + COLOUR:
                    raise FileError(
                        f"{self.path}: {picture.name} has {image.mode} pixels: convert to 8 bits"
                    )
                colour |= image.mode not in GREY
                first = first or image.size
                if image.size != first and size is None:
                    raise FileError(
                        f"{self.path}: {picture.name} is {image.width}x{image.height}, others are "
                        f"{first[0]}x{first[1]}: pass image_size= to resize them all"
                    )
        if isinstance(size, tuple):
            return size
        width, height = (size, size) if size else first or (0, 0)
        return (height, width, 3) if colour else (height, width)

    def _decode(self, pictures: list[Picture], out: NDArray[np.uint8]) -> None:
        for picture, row in zip(pictures, out, strict=True):
            with opened(self.path, picture) as image:
                row[:] = pixels(image, self.frame, resize=self._resize)


class ImageFolder(Pictures):
    """A folder of images, by their places in it, which are the names of the rows.

    With ``folders_are_labels`` every image lies in a subfolder, whose name is its class.
    """

    def __init__(self, path: Path, size: Size, folders_are_labels: bool = False) -> None:
        with reading(path):
            self._files = pictures_below(path, links=True)
        if not self._files:
            raise FileError(f"{path} is a folder without images ({', '.join(ENDINGS)})")
        places = [file.relative_to(path) for file in self._files]
        self.names = np.array([place.as_posix() for place in places])
        self._labels: tuple[Array | None, Array | None] = None, None
        if folders_are_labels:
            outside = next((place for place in places if len(place.parts) == 1), None)
            if outside is not None:
                raise FileError(
                    f"{path}: {outside} lies in no subfolder, which would be its label: "
                    "keep images in one subfolder per class"
                )
            classes, y = np.unique([place.parts[0] for place in places], return_inverse=True)
            self._labels = y, classes
        super().__init__(path, len(self._files), size)

    def pictures(self) -> Iterator[Picture]:
        """Yield the files, sorted by their places."""
        assert self.names is not None
        for name, file in zip(self.names, self._files, strict=True):
            yield Picture(str(name), file)

    def labels(self) -> tuple[Array | None, Array | None]:
        """Return for each image the number of its subfolder, and the subfolders' names."""
        return self._labels


def pictures_below(folder: Path, *, links: bool) -> list[Path]:
    """Every picture in a folder and its subfolders, sorted by its place; hidden ones are left out.

    Files and folders that are only linked to are left out too, unless ``links``; no folder is
    entered twice.
    """
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=links):
        status = Path(place).stat()
        known = (status.st_dev, status.st_ino)
        if links and known in seen:
            folders.clear()
            continue
        seen.add(known)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(place, name)
            if not name.startswith(".") and path.suffix.lower() in ENDINGS:
                found.append(path)
    kept = [path for path in found if path.is_file() and (links or not path.is_symlink())]
    return sorted(kept, key=lambda path: path.relative_to(folder).parts)


def pixels(image: Image, frame: Frame, *, resize: bool = True) -> NDArray[np.uint8]:
    """The pixels of an open picture as grey [h, w] or RGB [h, w, 3], resized to that frame."""
    from PIL.Image import Resampling

    # A palette may hold transparency, which must be unfolded before it is dropped.
    unfolded = image.convert("RGBA") if image.mode in ("P", "PA") else image
    shown = unfolded.convert("L" if len(frame) == 2 else "RGB")
    if resize:
        shown = shown.resize((frame[1], frame[0]), Resampling.BICUBIC)
    return np.asarray(shown)


def frame_of(hasher: Hasher) -> Frame:
    """The frame of the pictures that a fitted hasher takes: its own, or squares of its width."""
    if hasher.frame is not None:
        return hasher.frame
    width = hasher.n_features_in_
    for channels in (1, 3):  # no number is a square and three times one
        side = round((width / channels) ** 0.5)
        if side * side * channels == width:
            return (side, side) if channels == 1 else (side, side, 3)
    raise InputError(f"the model takes vectors of {width} numbers, which are no square picture")


@contextmanager
def opened(path: Path, picture: Picture) -> Iterator[Image]:
    """Open one image, its header only; whatever goes wrong names the file and the image."""
    try:
        from PIL import Image as Pillow
    except ImportError:
        raise MissingExtraError("pillow", "files") from None
    content = picture.content
    try:
        with (
            io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as stream,
            Pillow.open(stream, formats=FORMATS) as image,
        ):
            pixels, most = image.width * image.height, Pillow.MAX_IMAGE_PIXELS
            if most is not None and pixels > most:
                raise FileError(
                    f"{path}: {picture.name} claims {pixels:,} pixels, which may be a "
                    f"decompression bomb (Pillow's limit is {most:,}): make it smaller"
                )
            yield image
    except HammingbirdError:
        raise
    except Exception as error:  # Pillow's decoders raise anything
        raise FileError(f"{path}: {picture.name} is no readable image: {error}") from error


def _groups(pictures: Iterator[Picture], rows: int) -> Iterator[list[Picture]]:
    while group := list(islice(pictures, rows)):
        yield group
