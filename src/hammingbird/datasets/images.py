"""Pictures decoded with Pillow: folders of image files, and what image Parquet shares with them."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Iterable, Iterator
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

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What Pillow may take a picture for, whatever its name: others start programs (PostScript)."""
GREY = ("1", "L", "LA")
COLOUR = ("RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV")
TASK = 64
"""Pictures per task of the thread pool: small ones cost less than handing them over."""


class Picture(NamedTuple):
    """One encoded image and the name to call it by in messages."""

    name: str
    content: bytes | Path


class Pictures(Source):
    """Encoded images that become rows of bytes; all of one size, or resized to ``image_size``.

    The headers of all images are read once before the first is decoded: images become grey
    [n, h, w] if every one is grey, else RGB [n, h, w, 3].
    """

    def __init__(self, path: Path, n: int, image_size: int | None) -> None:
        self.path, self._resize = path, image_size is not None
        if not n:
            raise FileError(f"{path} is empty: it holds no image")
        self.frame = self._survey(image_size)
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
        return Dataset(self.path.name, images.reshape(self.shape), y, images, classes=classes)

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

    def _survey(self, image_size: int | None) -> tuple[int, ...]:
        first, colour = None, False
        for picture in self.pictures():
            with opened(self.path, picture) as image:
                if image.mode not in GREY + COLOUR:
                    raise FileError(
                        f"{self.path}: {picture.name} has {image.mode} pixels: convert to 8 bits"
                    )
                colour |= image.mode not in GREY
                first = first or image.size
                if image.size != first and image_size is None:
                    raise FileError(
                        f"{self.path}: {picture.name} is {image.width}x{image.height}, others are "
                        f"{first[0]}x{first[1]}: pass image_size= to resize them all"
                    )
        width, height = (image_size, image_size) if image_size else first or (0, 0)
        return (height, width, 3) if colour else (height, width)

    def _decode(self, pictures: list[Picture], out: NDArray[np.uint8]) -> None:
        for picture, row in zip(pictures, out, strict=True):
            with opened(self.path, picture) as image:
                row[:] = pixels(image, self.frame, resize=self._resize)


class ImageFolder(Pictures):
    """A folder of images; its subfolders, if the images lie there, are the classes by name."""

    def __init__(self, path: Path, image_size: int | None) -> None:
        with reading(path):
            flat = _images_in(path.iterdir())
            folders = sorted(
                folder
                for folder in path.iterdir()
                if folder.is_dir() and not folder.name.startswith(".")
            )
            found = {folder.name: _images_in(folder.rglob("*")) for folder in folders}
        found = {name: files for name, files in found.items() if files}
        if not flat and not found:
            raise FileError(f"{path} is a folder without images ({', '.join(ENDINGS)})")
        if flat and found:
            raise FileError(
                f"{path} has images both beside and inside its subfolders: "
                "keep them in one subfolder per class, or all without subfolders"
            )
        self._files = flat or [file for files in found.values() for file in files]
        self._labels = (
            (
                np.repeat(np.arange(len(found)), [len(files) for files in found.values()]),
                np.array(list(found)),
            )
            if found
            else (None, None)
        )
        super().__init__(path, len(self._files), image_size)

    def pictures(self) -> Iterator[Picture]:
        """Yield the files, class by class, sorted by name."""
        return (Picture(str(file.relative_to(self.path)), file) for file in self._files)

    def labels(self) -> tuple[Array | None, Array | None]:
        """Return for each image the number of its subfolder, and the subfolders' names."""
        return self._labels


def pixels(image: Image, frame: tuple[int, ...], *, resize: bool = True) -> NDArray[np.uint8]:
    """The pixels of an open picture as grey [h, w] or RGB [h, w, 3], resized to that frame."""
    from PIL.Image import Resampling

    # A palette may hold transparency, which must be unfolded before it is dropped.
    unfolded = image.convert("RGBA") if image.mode in ("P", "PA") else image
    shown = unfolded.convert("L" if len(frame) == 2 else "RGB")
    if resize:
        shown = shown.resize((frame[1], frame[0]), Resampling.BICUBIC)
    return np.asarray(shown)


def frame_of(width: int, shape: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Height and width, and 3 if coloured, of square pictures as vectors of ``width`` numbers.

    ``shape`` [h, w, c] is what a network remembers of its pictures, if it does.
    """
    if len(shape) == 3:
        return shape[:2] if shape[2] == 1 else shape
    for channels in (1, 3):  # no number is a square and three times one
        side = round((width / channels) ** 0.5)
        if side * side * channels == width:
            return (side, side) if channels == 1 else (side, side, 3)
    raise InputError(f"the model takes vectors of {width} numbers, which are no square picture")


def _images_in(files: Iterable[Path]) -> list[Path]:
    return sorted(
        file
        for file in files
        if file.suffix.lower() in ENDINGS and not file.name.startswith(".") and file.is_file()
    )


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
