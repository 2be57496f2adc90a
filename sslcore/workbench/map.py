"""The map's desk: where the items lie, what colours them, and what a selection can be told.

Coordinates and colours travel apart: the coordinates change when an encoder's map is drawn anew, the
colours after every label. Both come as arrays by row; the route makes bytes of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sslcore.errors import DataError, UnknownNameError
from sslcore.features.cache import FeatureCache
from sslcore.shapes import FloatArray, IntArray
from sslcore.store import Run, Task
from sslcore.store.facts import SOURCES, Verb
from sslcore.workbench import bulk, kinds
from sslcore.workbench.corrections import on_card
from sslcore.workbench.desk import Desk
from sslcore.workbench.figures import positions
from sslcore.workbench.palette import UNLABELLED_COLOUR, class_colour, class_hotkeys
from sslcore.workbench.snapshot import Snapshot

ColourBy = Literal["label", "pseudo-label", "confidence", "status"]
COLOUR_BY: tuple[ColourBy, ...] = ("pseudo-label", "label", "confidence", "status")

NOTHING = 65535
"""The colour code of an item without the thing that is shown."""
CONFIDENCE_STEPS = 1000
"""Confidence travels as a whole number of thousandths."""
FLAGGED, AUDIT, ASIDE, PEOPLE = 1, 2, 4, 8
"""Bits of ``Colours.mark_N``: flagged, in the audit split, set aside, labelled by a person."""
STATUSES = (
    ("suggested by the machine", "#6FB7E9"),
    ("labelled by a person", "#009E73"),
    ("labelled in bulk", "#E69F00"),
    ("imported", "#8C6BB1"),
    ("a model's label", "#CC79A7"),
    ("set aside", "#8A8F98"),
)
_STATUS_OF_SOURCE = {"human": 1, "bulk": 2, "imported": 3, "pseudo": 4}
_PCA_SAMPLE = 20_000
EXCERPT = 280


@dataclass(frozen=True)
class MapSource:
    """One encoder's map and how far it is.

    Attributes:
        encoder: The encoder's name.
        kind: ``"map"`` (finished), ``"first picture"`` or ``"principal components"``; None: nothing yet.
        version: Changes with the coordinates; "" while there are none.
        status: Of the features: ``done``, ``running``, ``queued``, ``waiting``, ``failed``, ``cancelled``.
        done: Items whose features are there, of ``total``.
        map_status: Of the run that draws the map; None where none was asked for.
    """

    encoder: str
    kind: str | None
    version: str
    status: str
    done: int
    total: int
    eta: float | None = None
    error: str | None = None
    map_status: str | None = None
    map_error: str | None = None


@dataclass(frozen=True, eq=False)
class Points:
    """Coordinates by row, float32, and the version they are of."""

    map_N2: FloatArray
    kind: str
    version: str


@dataclass(frozen=True, eq=False)
class Colours:
    """What is shown of each row.

    Attributes:
        code_N: uint16: a class, a status, or thousandths of confidence; ``NOTHING`` where there is none.
        mark_N: uint8: the bits ``FLAGGED``, ``AUDIT``, ``ASIDE``, ``PEOPLE``.
        serial: Of the snapshot; rises with every label.
        version: The newest annotation it has seen.
        scale: Of a numeric task: the numbers that code 0 and code 1000 stand for.
    """

    by: ColourBy
    code_N: IntArray
    mark_N: IntArray
    serial: int
    version: int
    scale: tuple[float, float] | None = None


class MapDesk(Desk):
    """How does it hang together?"""

    # --- coordinates -------------------------------------------------------------------------

    def sources(self) -> list[MapSource]:
        """Every encoder of the project with its map, the preferred one first."""
        total = self.store.count()
        runs: dict[Any, Run] = {
            run.recipe.get("encoder"): run for run in reversed(self.store.runs.list(kind="map"))
        }
        found = []
        for row in self.bench.encoder_progress():
            kind, version = self._kind(row["name"], total)
            drawing = runs.get(row["name"])
            found.append(
                MapSource(
                    encoder=row["name"],
                    kind=kind,
                    version=version,
                    status=row["status"],
                    done=row["done"],
                    total=total,
                    eta=row.get("eta"),
                    error=row.get("error"),
                    map_status=None if drawing is None else drawing.status,
                    map_error=None if drawing is None else drawing.error,
                )
            )
        return found

    def best_source(self) -> MapSource | None:
        """The map to show first: a finished one of the preferred encoder, else whatever can be drawn."""
        found = [source for source in self.sources() if source.kind is not None]
        rank = {"map": 0, "first picture": 1, "principal components": 2}
        return min(found, key=lambda source: rank[source.kind or ""], default=None)

    def points(self, encoder: str) -> Points | None:
        """The coordinates of an encoder's map; principal components until the first picture is there.

        Returns:
            None while not even the features are complete.
        """
        total = self.store.count()
        kind, version = self._kind(encoder, total)
        folder = FeatureCache(self.bench.folder).folder(encoder)
        if kind is None:
            return None
        if kind == "principal components":
            return Points(_principal_components(folder, version), kind, version)
        try:
            map_N2 = np.load(folder / "map.npy", allow_pickle=False)
        except (OSError, ValueError):  # it is being replaced this very moment
            return None
        return (
            Points(np.nan_to_num(map_N2.astype(np.float32)), kind, version) if len(map_N2) == total else None
        )

    def _kind(self, encoder: str, total: int) -> tuple[str | None, str]:
        cache = FeatureCache(self.bench.folder)
        if total == 0 or not cache.is_complete(encoder, total):
            return None, ""
        folder = cache.folder(encoder)
        path = folder / "map.npy"
        if not path.is_file() or _rows(path) != total:
            return "principal components", f"pca-{_stamp(folder / 'meta.json')}"
        kind = "map" if cache.has_map(encoder, total) else "first picture"
        return kind, f"{'map' if kind == 'map' else 'first'}-{_stamp(path)}"

    # --- colours -----------------------------------------------------------------------------

    def colours(self, task: Task, by: ColourBy) -> Colours:
        """What colours each row right now.

        Raises:
            UnknownNameError: ``by`` is none of :data:`COLOUR_BY`.
        """
        snapshot = self.snapshot(task)
        state = snapshot.state
        scale: tuple[float, float] | None = None
        if task.kind == "numeric" and by in ("label", "pseudo-label"):
            code_N, scale = _number_codes(snapshot, by)
        elif by == "label":
            code_N = _class_codes(_label_N(snapshot))
        elif by == "pseudo-label":
            label_N = _label_N(snapshot)
            code_N = _class_codes(np.where(state.labelled_N, label_N, bulk.suggested_N(snapshot)))
        elif by == "confidence":
            code_N = np.round(snapshot.confidence_N * CONFIDENCE_STEPS).astype(np.int64)
            code_N[~bulk.suggestions_N(snapshot) | (snapshot.proba_NC is None)] = NOTHING
        elif by == "status":
            code_N = status_N(snapshot)
        else:
            raise UnknownNameError(f"The map is coloured by one of {', '.join(COLOUR_BY)}. Received: {by!r}.")
        mark_N = (
            state.flagged_N * FLAGGED
            + state.audit_N * AUDIT
            + (state.skipped_N & ~state.labelled_N) * ASIDE
            + bulk.by_people(snapshot) * PEOPLE
        )
        return Colours(
            by, code_N.astype(np.uint16), mark_N.astype(np.uint8), snapshot.serial, snapshot.version, scale
        )

    def classes(self, task: Task) -> list[dict[str, Any]]:
        """Every class with its name, colour and key, JSON-ready."""
        return class_list(task)

    # --- a selection -------------------------------------------------------------------------

    def selection(self, task: Task, rows: Sequence[int] | IntArray, *, samples: int = 12) -> dict[str, Any]:
        """What is in a selection, JSON-ready.

        Args:
            task: The task.
            rows: Selected rows.
            samples: So many of them are shown, from the least certain to the most.
        """
        snapshot = self.snapshot(task)
        state = snapshot.state
        row_M = np.unique(np.asarray(rows, dtype=np.int64))
        people_M = bulk.by_people(snapshot)[row_M] | (state.audit_N & state.labelled_N)[row_M]
        suggested_M = bulk.suggestions_N(snapshot)[row_M]
        order_M = np.argsort(snapshot.confidence_N[row_M], kind="stable")
        spread = np.unique(np.linspace(0, max(len(row_M) - 1, 0), min(samples, len(row_M))).astype(int))
        sure_M = snapshot.confidence_N[row_M][suggested_M]
        return {
            "count": len(row_M),
            "labels": composition(_label_N(snapshot)[row_M], task),
            "predictions": composition(bulk.suggested_N(snapshot)[row_M], task),
            "predicted": bool(suggested_M.any()),
            "acceptable": len(bulk.plan(snapshot, row_M, "accept")),
            "people": int(people_M.sum()),
            "audit": int(state.audit_N[row_M].sum()),
            "flagged": int(state.flagged_N[row_M].sum()),
            "confidence": float(sure_M.mean()) if len(sure_M) and snapshot.proba_NC is not None else None,
            "samples": self.cards(task, bulk.bench_item_ids(self.bench)[row_M[order_M][spread]]),
        }

    def cards(self, task: Task, item_ids: Sequence[int] | IntArray) -> list[dict[str, Any]]:
        """Items as hover cards show them, JSON-ready, in the order asked for.

        Raises:
            DataError: There is no such item.
        """
        snapshot = self.snapshot(task)
        ids = [int(item_id) for item_id in item_ids]
        row_of = np.searchsorted(bulk.bench_item_ids(self.bench), ids)
        corrected = self.bench.corrections.of_rows(task, row_of)
        return [
            describe(snapshot, int(row))
            | {
                "corrections": on_card(corrected.get(int(row), ())),
                "item_id": item.id,
                "key": item.key,
                "sha": item.sha256[:16] if item.media is not None else None,
                "text": None if item.text is None else excerpt(item.text),
            }
            for row, item in zip(row_of, self.store.items(ids))
        ]

    def act(
        self,
        task: Task,
        rows: Sequence[int] | IntArray,
        verb: Verb,
        *,
        value: int | None = None,
        people: bool = False,
        by: tuple[str | None, str | None, int] = (None, None, 1),
    ) -> bulk.Done:
        """Does one thing to a selection, as one action that one undo takes back.

        Args:
            task: The task.
            rows: Selected rows.
            verb: ``label``, ``accept``, ``reject``, ``flag``, ``unflag`` or ``clear``.
            value: The class, for ``label``.
            people: Also change what people labelled.
            by: Annotator, client and sequence number of the sender.

        Raises:
            DataError: The action makes no sense; nothing was stored.
            StoreBusyError: Nothing was stored; try again.
        """
        annotator, client, seq = by
        snapshot = bulk.current(self.bench, task)
        planned = bulk.plan(snapshot, rows, verb, value=value, people=people)
        return bulk.commit(self.bench, snapshot, planned, annotator=annotator, client=client, seq=seq)

    def undo(
        self, batch: str, *, annotator: str | None = None, client: str | None = None, seq: int = 1
    ) -> int:
        """Takes an action back as a whole; returns the newest annotation."""
        return bulk.undo(self.bench, batch, annotator=annotator, client=client, seq=seq)


# --- pieces ------------------------------------------------------------------------------------


def class_list(task: Task) -> list[dict[str, Any]]:
    """Every class of a task as ``{position, name, colour, key}``."""
    count = len(task.classes)
    return [
        {
            "position": info.position,
            "name": info.name,
            "colour": class_colour(info, count),
            "key": key,
        }
        for info, key in zip(task.classes, class_hotkeys(task.classes))
    ]


def status_N(snapshot: Snapshot) -> IntArray:
    """Each row's place in :data:`STATUSES`; ``NOTHING`` where nothing is known of it."""
    state = snapshot.state
    code_N = np.where(bulk.suggestions_N(snapshot), 0, NOTHING)
    for code, source in enumerate(SOURCES, start=1):
        code_N[state.source_N == code] = _STATUS_OF_SOURCE[source]
    code_N[state.skipped_N & ~state.labelled_N] = 5
    return code_N


def composition(label_M: IntArray, task: Task, *, top: int = 8) -> list[dict[str, Any]]:
    """The most frequent classes of some labels, then the rest and the unlabelled, each with its count."""
    count_C = np.bincount(label_M[label_M >= 0], minlength=len(task.classes))
    order = np.argsort(-count_C, kind="stable")[:top]
    rows: list[dict[str, Any]] = [
        {
            "position": int(c),
            "name": task.classes[int(c)].name,
            "colour": class_colour(task.classes[int(c)], len(task.classes)),
            "count": int(count_C[c]),
        }
        for c in order
        if count_C[c] > 0
    ]
    others = int(count_C.sum()) - sum(row["count"] for row in rows)
    if others:
        number = int((count_C > 0).sum()) - len(rows)
        rows.append(
            {"position": None, "name": f"{number:,} more", "colour": UNLABELLED_COLOUR, "count": others}
        )
    nothing = int((label_M < 0).sum())
    if nothing:
        rows.append({"position": None, "name": "none", "colour": UNLABELLED_COLOUR, "count": nothing})
    return rows


def describe(snapshot: Snapshot, row: int) -> dict[str, Any]:
    """What is known of a row, JSON-ready: label, source, suggestion, confidence, flags.

    A number has no confidence but an ``interval`` that holds nine in ten, "4.92 – 7.11".
    """
    state, task = snapshot.state, snapshot.task
    source = int(state.source_N[row])
    said = kinds.said(snapshot, row) if bulk.suggestions_N(snapshot)[row] else None
    return {
        "label": named_value(task, state.value_of(row)),
        "source": SOURCES[source - 1] if source else None,
        "prediction": None if said is None else named_value(task, said.value),
        "confidence": None if said is None else said.confidence,
        "interval": None if said is None else _interval(snapshot, said),
        "flagged": bool(state.flagged_N[row]),
        "audit": bool(state.audit_N[row]),
        "skipped": bool(state.skipped_N[row]),
    }


def _interval(snapshot: Snapshot, said: kinds.Said) -> str | None:
    """Where nine in ten numbers lie; None where that is not known, and of classes."""
    if said.low is None or said.high is None:
        return None
    places = kinds.decimals(snapshot) + 1
    return f"{said.low:.{places}f} – {said.high:.{places}f}"


def excerpt(text: str, length: int = EXCERPT) -> str:
    """The beginning of a text, cut at a word.

    >>> excerpt("a long story", 8)
    'a long…'
    """
    text = " ".join(text[: 4 * length].split())
    if len(text) <= length:
        return text
    return text[: length - 1].rsplit(" ", 1)[0] + "…"


def rows_of_bits(bits: bytes, count: int) -> IntArray:
    """The rows whose bits are set; the lowest bit of the first byte is row 0.

    Raises:
        DataError: The bits are not those of ``count`` rows.

    >>> rows_of_bits(bytes([0b101, 0b1]), 9).tolist()
    [0, 2, 8]
    """
    if len(bits) != (count + 7) // 8:
        raise DataError(
            f"A selection among {count} items has {(count + 7) // 8} bytes. Received: {len(bits)}. "
            "Reload the page: items have been added since it was drawn."
        )
    return np.flatnonzero(np.unpackbits(np.frombuffer(bits, dtype=np.uint8), bitorder="little")[:count])


def bits_of_rows(rows: IntArray, count: int) -> bytes:
    """The inverse of :func:`rows_of_bits`."""
    chosen_N = np.zeros(count, dtype=bool)
    chosen_N[rows] = True
    return np.packbits(chosen_N, bitorder="little").tobytes()


def named(task: Task, position: int) -> dict[str, Any]:
    """A class as ``{position, name, colour}``."""
    info = task.classes[position]
    return {"position": position, "name": info.name, "colour": class_colour(info, len(task.classes))}


def named_value(task: Task, value: Any) -> dict[str, Any] | None:
    """An answer of any kind as ``{position, name, colour, value}``.

    Of several classes the colour is the first one's. ``value`` is what is stored: a position, positions, or
    a number.
    """
    if value is None:
        return None
    if task.kind == "numeric":
        return {"position": None, "name": f"{value:g}", "colour": UNLABELLED_COLOUR, "value": float(value)}
    if task.kind != "multiple":
        return named(task, int(value)) | {"value": int(value)}
    held = positions(value)
    if not held:
        return {"position": None, "name": "none of them", "colour": UNLABELLED_COLOUR, "value": []}
    names = ", ".join(task.classes[c].name for c in held)
    return named(task, held[0]) | {"name": names, "value": sorted(held)}


def _label_N(snapshot: Snapshot) -> IntArray:
    """The class that colours a label; of several the one that is rarest among the labels."""
    state = snapshot.state
    if not snapshot.multiple:
        return state.label_N
    held = {row: positions(value) for row, value in state.value.items()}
    count_C = np.bincount(
        [c for classes in held.values() for c in classes], minlength=len(state.task.classes)
    )
    label_N = state.label_N.copy()
    for row, classes in held.items():
        if classes:
            label_N[row] = min(classes, key=lambda c: (count_C[c], c))
    return label_N


def _number_codes(snapshot: Snapshot, by: ColourBy) -> tuple[IntArray, tuple[float, float] | None]:
    """Numbers as thousandths of the range of the numbers given."""
    range_ = kinds.scale(snapshot)
    state, number = snapshot.state, snapshot.number
    value_N = np.full(len(state.label_N), np.nan)
    if by == "pseudo-label" and number is not None:
        value_N = number.prediction_N.copy()
    for row, value in state.value.items():
        value_N[row] = value
    code_N = np.full(len(value_N), NOTHING)
    if range_ is None:
        return code_N, None
    known_N = np.isfinite(value_N)
    share_N = np.clip((value_N[known_N] - range_.low) / max(range_.high - range_.low, 1e-12), 0, 1)
    code_N[known_N] = np.round(share_N * CONFIDENCE_STEPS).astype(np.int64)
    return code_N, (range_.low, range_.high)


def _class_codes(label_N: IntArray) -> IntArray:
    return np.where(label_N >= 0, label_N, NOTHING)


@lru_cache(maxsize=4)
def _principal_components(folder: Path, _version: str) -> FloatArray:
    """The two directions of most variance, scaled into [−1, 1]; fitted on a sample where rows are many."""
    feature_ND = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)
    count = len(feature_ND)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _PCA_SAMPLE)).astype(np.int64))
    sample_ND = np.asarray(feature_ND[chosen], dtype=np.float32)
    mean_D = sample_ND.mean(axis=0)
    covariance_DD = np.cov((sample_ND - mean_D).T) if len(chosen) > 1 else np.zeros((len(mean_D),) * 2)
    vector_DD = np.linalg.eigh(np.atleast_2d(covariance_DD))[1]
    axis_D2 = vector_DD[:, ::-1][:, :2].astype(np.float32)
    if axis_D2.shape[1] < 2:
        axis_D2 = np.pad(axis_D2, ((0, 0), (0, 2 - axis_D2.shape[1])))
    map_N2 = np.concatenate(
        [
            (np.asarray(feature_ND[start : start + _PCA_SAMPLE], dtype=np.float32) - mean_D) @ axis_D2
            for start in range(0, count, _PCA_SAMPLE)
        ]
    )
    return np.asarray(map_N2 / max(float(np.abs(map_N2).max()), 1e-9), dtype=np.float32)


def _rows(path: Path) -> int:
    try:
        return int(np.load(path, mmap_mode="r", allow_pickle=False).shape[0])
    except (OSError, ValueError, IndexError):
        return -1


def _stamp(path: Path) -> str:
    """Changes when the file does."""
    try:
        found = path.stat()
    except OSError:
        return "0"
    return f"{found.st_mtime_ns:x}-{found.st_size:x}"
