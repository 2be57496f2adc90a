"""The feature cache of a project: what is computed stays, and a kill costs a block at most.

::

    features/<encoder>/  features.npy        float16 N×D, in row order
                         knn_index.npy       int32   N×K   knn_similarity.npy float32 N×K
                         map.npy             float32 N×2   map.json {rows, method}
                         kept.json, …        what the instant loop derives (``instant/kept.py``)
                         meta.json           {encoder, rows, dim, k, plan, finished}: written last
                         partial.npy         float16 N×D, filled to partial.json's "done"

``meta.json`` is the word that the rest is whole: it is taken away first and written last when the
features of a project change. Rows never move (items are appended, never deleted), so after a second
import the rows that are there stay valid for a network encoder.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sslcore.errors import StoreError
from sslcore.files import make_folder, sync_folder, write_array, write_json
from sslcore.shapes import FloatArray, IntArray

if TYPE_CHECKING:
    from sslcore.graph.knn import KnnGraph

_FLOAT16 = 65504.0  # its largest number


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """The complete features of one encoder, memory-mapped.

    Args:
        encoder: Its name.
        feature_ND: float16.
        neighbour_NK: int32.
        similarity_NK: float32 cosines.
        map_N2: float32 coordinates in [−1, 1]; None before the first picture.
    """

    encoder: str
    feature_ND: FloatArray
    neighbour_NK: IntArray
    similarity_NK: FloatArray
    map_N2: FloatArray | None


def folder_name(encoder: str) -> str:
    """A folder's name for an encoder's: its own where that is safe, else made so, with a hash.

    >>> folder_name("minilm"), folder_name("timm:resnet18"), folder_name("../x") != folder_name("__x")
    ('minilm', 'timm-resnet18-56082ded', True)
    """
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", encoder):
        return encoder
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", encoder).strip("-.")[:48]
    return f"{safe}-{hashlib.sha256(encoder.encode()).hexdigest()[:8]}"


def encoder_name(folder: Path) -> str:
    """The encoder whose features a folder holds, finished or not; the folder's name where it does not say."""
    held = _read_json(folder / "meta.json") or _read_json(folder / "partial.json") or {}
    return str(held.get("encoder", folder.name))


class FeatureCache:
    """The features of one project.

    Args:
        project_folder: The project's folder; ``features/`` under it is made when needed.
    """

    def __init__(self, project_folder: Path) -> None:
        self.root = Path(project_folder) / "features"

    def folder(self, encoder: str) -> Path:
        """Where an encoder's files are."""
        return self.root / folder_name(encoder)

    # --- reading -----------------------------------------------------------------------------

    def available(self) -> list[str]:
        """Names of the encoders whose features are complete (for the items there were), sorted."""
        names = [meta["encoder"] for path in self.root.glob("*/meta.json") if (meta := _read_json(path))]
        return sorted(names)

    def meta(self, encoder: str) -> dict[str, Any] | None:
        """``{encoder, rows, dim, k, plan, finished}``; None while there are no complete features."""
        return _read_json(self.folder(encoder) / "meta.json")

    def is_complete(self, encoder: str, n_items: int) -> bool:
        """Whether features and graph of exactly ``n_items`` rows are there."""
        meta = self.meta(encoder)
        return meta is not None and meta["rows"] == n_items

    def has_map(self, encoder: str, n_items: int) -> bool:
        """Whether the final map of ``n_items`` rows is there (a first picture does not count)."""
        meta = _read_json(self.folder(encoder) / "map.json")
        return meta is not None and meta["rows"] == n_items and meta["method"] != "first picture"

    def next_row(self, encoder: str) -> int:
        """How many rows are computed, finished or not: where work goes on."""
        partial = _read_json(self.folder(encoder) / "partial.json")
        if partial is not None and (self.folder(encoder) / "partial.npy").is_file():
            return int(partial["done"])
        meta = self.meta(encoder)
        return 0 if meta is None else int(meta["rows"])

    def load(self, encoder: str) -> FeatureSet:
        """The complete features of an encoder.

        Raises:
            StoreError: They are not there (yet).
        """
        folder, meta = self.folder(encoder), self.meta(encoder)
        if meta is None:
            held = ", ".join(self.available()) or "none yet"
            raise StoreError(
                f"The features of {encoder!r} are not complete. There are: {held}. "
                f"A background run of kind 'features' computes them."
            )
        map_path = folder / "map.npy"
        map_N2 = _mapped(map_path) if map_path.is_file() else None
        return FeatureSet(
            encoder=encoder,
            feature_ND=_mapped(folder / "features.npy"),
            neighbour_NK=_mapped(folder / "knn_index.npy"),
            similarity_NK=_mapped(folder / "knn_similarity.npy"),
            map_N2=map_N2 if map_N2 is not None and len(map_N2) == meta["rows"] else None,
        )

    # --- writing (the worker alone) ------------------------------------------------------------

    def begin(self, encoder: str, n_items: int, *, keep: bool) -> PartialFeatures:
        """Opens the unfinished features of an encoder to go on with them.

        Args:
            encoder: Its name.
            n_items: Rows there shall be.
            keep: Keep the rows that an earlier run or import computed (network encoders).
        """
        folder = make_folder(self.root.parent, self.root.name, folder_name(encoder))
        partial, meta = _read_json(folder / "partial.json"), self.meta(encoder)
        full = partial is not None and partial["done"] == partial["rows"]
        if full and meta is None and not (folder / "partial.npy").is_file():  # killed in finish()
            with contextlib.suppress(FileNotFoundError):
                (folder / "features.npy").replace(folder / "partial.npy")
        if partial is not None and keep and partial["rows"] <= n_items and (folder / "partial.npy").is_file():
            held = PartialFeatures(folder, encoder, n_items, plan=partial["plan"], done=partial["done"])
            held.open(partial["dim"], source=None if partial["rows"] == n_items else folder / "partial.npy")
            return held
        _forget_partial(folder)
        if meta is not None and keep and meta["rows"] <= n_items:
            held = PartialFeatures(folder, encoder, n_items, plan=meta["plan"], done=meta["rows"])
            held.open(meta["dim"], source=folder / "features.npy")
            return held
        return PartialFeatures(folder, encoder, n_items, plan=None, done=0)

    def finish(self, partial: PartialFeatures, knn: KnnGraph) -> None:
        """Makes full features and their graph the ones of the encoder; the old map goes with the old ones."""
        folder = partial.folder
        write_array(folder / ".new-knn_index.npy", knn.neighbour_NK.astype(np.int32, copy=False))
        write_array(folder / ".new-knn_similarity.npy", knn.similarity_NK.astype(np.float32, copy=False))
        partial.flush()
        (folder / "meta.json").unlink(missing_ok=True)
        for name in ("map.json", "map.npy", "kept.json"):
            (folder / name).unlink(missing_ok=True)
        for derived in (*folder.glob("smoothed_*.npy"), *folder.glob("graph_*.npy"), folder / "head.npy"):
            derived.unlink(missing_ok=True)
        for name in ("knn_index.npy", "knn_similarity.npy"):
            (folder / f".new-{name}").replace(folder / name)
        (folder / "partial.npy").replace(folder / "features.npy")
        sync_folder(folder)
        write_json(
            folder / "meta.json",
            {
                "encoder": partial.encoder,
                "rows": partial.rows,
                "dim": partial.dim,
                "k": knn.k,
                "plan": partial.plan,
                "finished": time.time(),
            },
        )
        (folder / "partial.json").unlink(missing_ok=True)

    def save_map(self, encoder: str, map_N2: FloatArray, *, method: str) -> None:
        """Stores a map: ``"first picture"`` or the final one's name."""
        folder = self.folder(encoder)
        (folder / "map.json").unlink(missing_ok=True)
        write_array(folder / "map.npy", np.asarray(map_N2, dtype=np.float32))
        write_json(folder / "map.json", {"rows": len(map_N2), "method": method})


class PartialFeatures:
    """Features on their way: a memory map on the disk and how far it is filled."""

    def __init__(
        self, folder: Path, encoder: str, rows: int, *, plan: Mapping[str, Any] | None, done: int
    ) -> None:
        self.folder, self.encoder, self.rows = folder, encoder, rows
        self.plan, self.done = plan, done
        self._map: np.memmap[Any, Any] | None = None

    @property
    def dim(self) -> int:
        """D."""
        return int(self.feature_ND.shape[1])

    @property
    def feature_ND(self) -> FloatArray:
        """The rows, float16; those from ``done`` on are empty."""
        if self._map is None:
            raise StoreError("No block of features has been computed yet.")
        return self._map

    def open(self, dim: int, *, source: Path | None) -> None:
        """Maps ``partial.npy``: as it is where ``source`` is None, else new with the rows of ``source``."""
        path = self.folder / "partial.npy"
        if source is None and path.is_file():
            self._map = np.lib.format.open_memmap(path, mode="r+")
            return
        growing = self.folder / ".growing.npy"
        grown = np.lib.format.open_memmap(growing, mode="w+", dtype=np.float16, shape=(self.rows, dim))
        _reserve(growing)
        if source is not None:
            grown[: self.done] = _mapped(source)[: self.done]
        grown.flush()
        growing.replace(path)
        self._map = grown
        self._note(dim)

    def append(self, block_BD: FloatArray) -> None:
        """Adds the next rows; when this returns they survive a kill."""
        if self._map is None:
            self.open(block_BD.shape[1], source=None)
        assert self._map is not None
        stop = self.done + len(block_BD)
        self._map[self.done : stop] = np.clip(block_BD, -_FLOAT16, _FLOAT16)
        self.flush()
        self.done = stop
        self._note(self.dim)

    def flush(self) -> None:
        """Writes the mapped rows to the disk."""
        if self._map is not None:
            self._map.flush()

    def _note(self, dim: int) -> None:
        note = {"encoder": self.encoder, "rows": self.rows, "dim": dim, "done": self.done, "plan": self.plan}
        write_json(self.folder / "partial.json", note)


def remove(project_folder: Path, encoder: str) -> None:
    """Deletes an encoder's features, for instance to compute them anew after a change of weights."""
    shutil.rmtree(FeatureCache(project_folder).folder(encoder), ignore_errors=True)


def _reserve(path: Path) -> None:
    """Takes the disk space now: on a full disk a write into a sparse map would end the process."""
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                return  # a file system that cannot reserve
            size = path.stat().st_size / 1e6
            path.unlink()
            raise StoreError(
                f"The disk is full: {size:,.0f} MB for features do not fit beside "
                f"{path.parent}. Make room and start the run again."
            ) from None


def _forget_partial(folder: Path) -> None:
    for name in ("partial.json", "partial.npy", ".growing.npy"):
        (folder / name).unlink(missing_ok=True)


def _mapped(path: Path) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _read_json(path: Path) -> dict[str, Any] | None:
    """A JSON file; None where it is missing or was cut short by another program."""
    try:
        return cast(dict[str, Any], json.loads(path.read_text()))
    except (OSError, ValueError):
        return None


__all__ = ["FeatureCache", "FeatureSet", "PartialFeatures", "encoder_name", "folder_name", "remove"]
