"""The export desk: labels with their provenance, and a model with a card that says how good it is."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore import __version__
from sslcore.errors import DataError, StoreError
from sslcore.jobs.prepare import PREFERRED
from sslcore.quality.intervals import Interval, proportion_interval
from sslcore.store import Task
from sslcore.store.facts import SOURCES
from sslcore.store.fold import TaskState
from sslcore.workbench.desk import Desk
from sslcore.workbench.kinds import CHOICE
from sslcore.workbench.snapshot import Snapshot

if TYPE_CHECKING:
    from sslcore.exporting import ExportReport

MODEL = "model"
"""The format that is no format of labels: the model's folder."""
DOWNLOADS_KEPT_SECONDS = 24 * 3600.0
"""How long a download that was prepared stays on the disk."""
SUFFIX = {"csv": ".csv", "tsv": ".tsv", "jsonl": ".jsonl", "parquet": ".parquet", "xlsx": ".xlsx"}


@dataclass(frozen=True)
class ModelReport:
    """A model that was written."""

    path: str
    format: str
    model: str
    encoder: str | None
    audit_size: int
    audit_accuracy: float | None
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class Choice:
    """A way to take something away."""

    name: str
    title: str
    text: str


class ExportDesk(Desk):
    """How do I take it away?"""

    def formats(self) -> list[Choice]:
        """The label formats that can be written, the usual ones first."""
        from sslcore.formats import FORMATS

        usual = ("csv", "jsonl", "parquet", "xlsx", "image_folder")
        held = {e.name: e for e in FORMATS if e.value.can_write and e.name != "zip"}
        if self.bench.modality != "image":
            held.pop("image_folder", None)
        names = [name for name in usual if name in held] + [name for name in held if name not in usual]
        return [Choice(name, held[name].title, held[name].text) for name in names]

    def counts(self, task: Task, *, min_confidence: float = 0.0) -> dict[str, int]:
        """Labels by source; ``pseudo`` are the machine's own of at least ``min_confidence``.

        Numbers have no confidence: all that are suggested count, as all are written.
        """
        snapshot = self.snapshot(task)
        state = snapshot.state
        found: dict[str, int] = {
            name: int((state.source_N == code).sum()) for code, name in enumerate(SOURCES, start=1)
        }
        pseudo_N = snapshot.pseudo_N
        if task.kind != "numeric":
            pseudo_N = pseudo_N & (snapshot.confidence_N >= min_confidence)
        found["pseudo"] += int(pseudo_N.sum())
        found["without"] = len(state.label_N) - sum(found.values())
        return found

    def predictions(self, task: Task, *, run_id: int | None = None) -> list[dict[str, Any]]:
        """Every item with its label or, without one, the most probable class; JSON-ready.

        Args:
            task: The task.
            run_id: A finished run's predictions instead of those that the task follows.

        Raises:
            StoreError: The run has no predictions for this task.
        """
        snapshot = self.snapshot(task)
        state, names = snapshot.state, task.class_names
        best_N, confidence_N = snapshot.prediction_N, snapshot.confidence_N
        choice = task.kind in CHOICE
        if run_id is not None:
            self.store.runs.get(run_id)  # raises where there is none
        if run_id is not None and not choice:
            run = self.bench.live.as_if(snapshot, run_id)
            if run is None:
                raise StoreError(f"Run {run_id} has no predictions for the items of {task.name!r}.")
            snapshot, best_N, confidence_N = run, run.prediction_N, run.confidence_N
        elif run_id is not None:
            found = self.bench.compare.candidate(task, f"run:{run_id}")
            if found is None or found.proba_NC.shape != (len(state.label_N), len(names)):
                raise StoreError(f"Run {run_id} has no predictions for the items of {task.name!r}.")
            best_N, confidence_N = found.proba_NC.argmax(axis=1), found.proba_NC.max(axis=1)
        sources = dict(enumerate(SOURCES, start=1))
        rows = []
        for row, item in enumerate(self.store.iterate()):
            value = state.value_of(row)
            given = value is not None
            if not given and choice and best_N[row] >= 0:
                value = int(best_N[row])
            elif not given and not choice:
                value = _said(snapshot, row)
            rows.append(
                {
                    "id": item.id,
                    "key": item.key,
                    "task": task.name,
                    "label": _named(value, names, task.kind),
                    "source": sources[int(state.source_N[row])] if given else "pseudo",
                    "confidence": None if given or best_N[row] < 0 else float(confidence_N[row]),
                    **({} if given else _interval(snapshot, row)),
                }
            )
        return rows

    def write(
        self,
        format: str,
        out: Path,
        *,
        include: Collection[str] = SOURCES,
        min_confidence: float = 0.0,
        guard_formulas: bool = True,
        task: str | None = None,
        run_id: int | None = None,
    ) -> ExportReport | ModelReport:
        """Writes the labels of all tasks, or with ``format="model"`` the model of one.

        Args:
            format: A format of labels, or ``"model"``.
            out: The file or folder to write; what is there is not overwritten by a model.
            include: Sources of labels to write.
            min_confidence: Pseudo-labels below it are left out; numbers have none and are all written.
            guard_formulas: CSV: keep spreadsheets from taking a text for a formula.
            task: The task whose model is wanted; the first one by default.
            run_id: The run whose model is wanted, instead of what the task follows.

        Raises:
            DataError: The place cannot be written, or there is no model yet.
            ConfigError: An unknown format or source.
        """
        if format == MODEL:
            return self.write_model(self.bench.task(task), Path(out), run_id=run_id)
        from sslcore.exporting import Prediction, export

        predictions: dict[str, Prediction | tuple[Any, int | None, str | None]] = {}
        for each in self.bench.tasks():
            snapshot = self.snapshot(each)
            number = snapshot.number
            if number is not None:
                range_N2 = np.stack([number.low_N, number.high_N], axis=1)
                told = (None, snapshot.follows.title, 0.5, range_N2)
                predictions[each.name] = Prediction(number.prediction_N[:, None], *told)
            if snapshot.proba_NC is None:
                continue
            proba_NC = snapshot.proba_NC
            unsure_N = snapshot.pseudo_N & (snapshot.confidence_N < min_confidence)
            if unsure_N.any():
                proba_NC = proba_NC.copy()
                proba_NC[unsure_N] = np.nan
            follows = snapshot.follows
            predictions[each.name] = Prediction(proba_NC, follows.run_id, follows.title, snapshot.cut)
        return export(
            self.store,
            predictions,
            format=format,
            out=Path(out),
            guard_formulas=guard_formulas,
            include=include,
        )

    def download(self, format: str, **choices: Any) -> tuple[str, Path]:
        """Writes an export for a download; returns the file's name and where it lies.

        Folders, and tables with their images, come as a zip. :meth:`put_away` removes what was written.
        """
        folder = Path(tempfile.mkdtemp(dir=self._downloads()))
        try:
            path = self._write_one(format, folder, choices)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return path.name, path

    def put_away(self, path: Path) -> None:
        """Removes a download that is not wanted any more; anything else is left alone."""
        if path.parent.parent == self._downloads():
            shutil.rmtree(path.parent, ignore_errors=True)

    def _downloads(self) -> Path:
        """Where downloads wait to be fetched; old ones are removed on the way."""
        folder = self.bench.folder.parent / ".downloads"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            with contextlib.suppress(OSError):  # another session may remove it at this moment
                if time.time() - old.stat().st_mtime > DOWNLOADS_KEPT_SECONDS:
                    shutil.rmtree(old, ignore_errors=True)
        return folder

    def _write_one(self, format: str, folder: Path, choices: Mapping[str, Any]) -> Path:
        """The one file in ``folder`` that an export becomes."""
        name = f"{self.bench.project}-{datetime.now(UTC):%Y%m%d-%H%M}"
        if format == MODEL:
            self.write(MODEL, folder / f"{name}-model", **choices)
            return _zipped(folder / f"{name}-model")
        images = self.bench.modality == "image"
        if images and format != "image_folder":
            self.write(format, folder / name / f"{name}{SUFFIX.get(format, '.zip')}", **choices)
            return _zipped(folder / name)
        path = folder / (f"{name}.zip" if images else f"{name}{SUFFIX.get(format, '.zip')}")
        self.write(format, path, **choices)
        return path

    # --- models ------------------------------------------------------------------------------

    def model_doubt(self, task: Task) -> str | None:
        """Why no model can be taken away right now; None when one can."""
        snapshot = self.snapshot(task)
        if task.kind not in CHOICE:
            return f"Only models of one class an item are taken away; {task.name!r} is of kind {task.kind}."
        if snapshot.proba_NC is None or not (snapshot.state.training_label_N >= 0).any():
            return "There are no labels to learn from yet."
        if snapshot.follows.run_id is None and self._encoder() is None:
            name = PREFERRED[self.bench.modality][0]
            return f"The features of {name} are still being computed; the model stands on them."
        return None

    def write_model(self, task: Task, out: Path, *, run_id: int | None = None) -> ModelReport:
        """Writes the model that a task follows, or that of a run, as a folder.

        A run's model is copied as the run saved it. The instant loop is distilled into a linear layer
        on the packaged encoder; its card gives that layer's own figures, not the graph's.

        Raises:
            DataError: There is none yet, or something of that name is there.
        """
        snapshot = self.snapshot(task)
        run_id = run_id if run_id is not None else snapshot.follows.run_id
        if out.exists():
            raise DataError("There is something of that name already. Choose another one.", file=out)
        out.parent.mkdir(parents=True, exist_ok=True)
        if run_id is not None:
            return self._copy_run(run_id, out)
        doubt = self.model_doubt(task)
        if doubt is not None:
            raise DataError(doubt)
        return self._write_head(task, snapshot, out)

    def _copy_run(self, run_id: int, out: Path) -> ModelReport:
        run = self.store.runs.get(run_id)
        bundle = self.bench.folder / "runs" / str(run_id) / "model"
        if run.kind == "ensemble":
            raise StoreError(
                f"Run {run_id} is an ensemble and has no model of its own. Export the model of one of its "
                "members; its labels are exported like any other's."
            )
        if run.status != "done" or not (bundle / "model.safetensors").is_file():
            raise StoreError(f"Run {run_id} is {run.status} and has left no model.")
        temporary = out.parent / f".{out.name}.part"
        shutil.copytree(bundle, temporary, dirs_exist_ok=True)
        temporary.rename(out)
        audit = run.result.get("audit_accuracy")
        return ModelReport(
            path=str(out),
            format=MODEL,
            model=str(run.recipe.get("method", run.kind)),
            encoder=run.recipe.get("encoder"),
            audit_size=int(run.result.get("audit_size") or 0),
            audit_accuracy=audit,
            low=None,
            high=None,
        )

    def _encoder(self) -> str | None:
        """The packaged network whose features are complete; a model cannot stand on fitted ones."""
        from sslcore.features.cache import FeatureCache

        total, cache = self.store.count(), FeatureCache(self.bench.folder)
        name = PREFERRED[self.bench.modality][0]
        return name if cache.is_complete(name, total) else None

    def _write_head(self, task: Task, snapshot: Snapshot, out: Path) -> ModelReport:
        from sslcore.features.cache import FeatureCache
        from sslcore.head_bundle import HeadModel, distil, save_head
        from sslcore.instant.view import View

        name = self._encoder()
        if name is None or snapshot.proba_NC is None:
            raise DataError("There is no model yet.")
        cache = FeatureCache(self.bench.folder)
        held = snapshot.view is not None and snapshot.view.name == name
        view = snapshot.view if held and snapshot.view is not None else View.load(cache.folder(name))
        weight_HC, bias_C = distil(view, snapshot.proba_NC)
        meta = cache.meta(name) or {}
        model = HeadModel(
            mean_D=view.mean_D,
            components_DH=view.components_DH,
            weight_HC=weight_HC,
            bias_C=bias_C,
            classes=tuple(task.class_names),
            encoder=name,
            plan=dict(meta.get("plan") or {}),
            modality=self.bench.modality,
        )
        state = snapshot.state
        audit_A = state.audit_row_A
        audit_A = audit_A[state.label_N[audit_A] >= 0]
        interval = None
        if len(audit_A):
            proba_AC = model.proba_of_features(np.asarray(view.feature_ND[audit_A]))
            hits = int((proba_AC.argmax(axis=1) == state.label_N[audit_A]).sum())
            interval = proportion_interval(hits, len(audit_A))
        save_head(out, model, card=self._card(task, snapshot, name, interval, len(audit_A)))
        return ModelReport(
            path=str(out),
            format=MODEL,
            model=f"linear layer on {name}, distilled from {snapshot.follows.title}",
            encoder=name,
            audit_size=len(audit_A),
            audit_accuracy=None if interval is None else interval.value,
            low=None if interval is None else interval.low,
            high=None if interval is None else interval.high,
        )

    def _card(
        self, task: Task, snapshot: Snapshot, encoder: str, interval: Interval | None, size: int
    ) -> str:
        state = snapshot.state
        counts: dict[str, int] = {
            name: int((state.source_N == code).sum()) for code, name in enumerate(SOURCES, start=1)
        }
        used = int((state.training_label_N >= 0).sum())
        lines = [
            f"# {self.bench.project}: {task.name}",
            "",
            f"Made by Labelloom {__version__} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
            "",
            "## What it is",
            "",
            f"A linear softmax layer on the {encoder} encoder, distilled from {snapshot.follows.title} "
            f"over all {len(state.label_N):,} items. It tells {len(task.classes)} classes apart: "
            f"{_names(task.class_names)}.",
            "",
            "## What it learned from",
            "",
            f"{used:,} labels ({_counts(counts)}); annotations up to number {snapshot.version}.",
            "",
            "## How good it is",
            "",
        ]
        if interval is None:
            lines.append("Not known: the project has no audit items. Figures without them would be guesses.")
        else:
            few = " Few items: take it as rough." if size < 20 else ""
            lines.append(
                f"Accuracy {100 * interval.value:.1f} % (90 % interval {100 * interval.low:.1f} to "
                f"{100 * interval.high:.1f} %) on {size} audit items, a random sample that nothing was "
                f"trained on.{few}"
            )
        if snapshot.result is not None:
            lines += ["", f"Temperature of the calibration: {snapshot.result.temperature:.2f}."]
        lines += [
            "",
            "## How to use it",
            "",
            "```python",
            "from sslcore.bundle import load_bundle",
            "",
            'model = load_bundle("this/folder")',
            f"model.predict_proba([{'a text' if self.bench.modality == 'text' else 'picture.png'!r}])",
            "```",
            "",
        ]
        return "\n".join(lines)


def _by_source(state: TaskState) -> dict[str, int]:
    return {name: int((state.source_N == code).sum()) for code, name in enumerate(SOURCES, start=1)}


def _said(snapshot: Snapshot, row: int) -> Any:
    """A set cut where expected F1 is highest, or a number; None without a prediction."""
    if snapshot.number is not None:
        return float(f"{snapshot.number.prediction_N[row]:.6g}")
    if snapshot.proba_NC is None or not snapshot.predicts:
        return None
    return np.flatnonzero(snapshot.proba_NC[row] >= snapshot.cut).tolist()


def _interval(snapshot: Snapshot, row: int) -> dict[str, float]:
    """The ends of a predicted number's interval, where there is one."""
    number = snapshot.number
    if number is None or not np.isfinite(number.low_N[row]):
        return {}
    return {"low": float(f"{number.low_N[row]:.6g}"), "high": float(f"{number.high_N[row]:.6g}")}


def _named(value: Any, names: list[str], kind: str) -> Any:
    if value is None or kind == "numeric":
        return value
    return names[value] if isinstance(value, int) else [names[position] for position in value]


def _names(names: list[str], most: int = 20) -> str:
    shown = ", ".join(" ".join(name.split()) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in counts.items() if n) or "none"


def _zipped(folder: Path) -> Path:
    """Packs a folder and removes it; media are stored as they are, for they are compressed already."""
    out = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                how = zipfile.ZIP_STORED if path.suffix in (".png", ".jpg", ".webp") else None
                archive.write(path, path.relative_to(folder), compress_type=how)
    shutil.rmtree(folder)
    return out
