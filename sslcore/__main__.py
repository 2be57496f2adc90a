"""The command line: ``python -m sslcore VERB …``, or ``labelloom VERB …`` where it is installed.

Every verb that prints takes ``--json``; ``--wait`` blocks until the background work that the verb
started is done. Exit codes: 0 done, 1 failed (the reason on standard error), 2 wrong use.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sslcore import __version__
from sslcore.errors import ConfigError, LabelloomError, RecipeError, UnknownNameError

WRONG_USE = (ConfigError, RecipeError, UnknownNameError)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb and returns its exit code."""
    arguments = parser().parse_args(argv)
    from sslcore import commands

    try:
        return int(
            getattr(commands, arguments.verb.replace("-", "_").replace("import", "import_"))(arguments) or 0
        )
    except WRONG_USE as error:
        print(f"sslcore {arguments.verb}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `… | head`: the reader has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (lives until the process ends)
        return 0
    except (LabelloomError, OSError) as error:
        print(f"sslcore {arguments.verb}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """All verbs and their options."""
    top = argparse.ArgumentParser(
        prog="labelloom" if Path(sys.argv[0]).stem == "labelloom" else "python -m sslcore",
        description="Labelloom: the most labels for the fewest human actions.",
    )
    top.add_argument("--version", action="version", version=f"labelloom {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, text: str, *, json: bool = True, wait: bool = False) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=text)
        if json:
            made.add_argument("--json", action="store_true", help="print one JSON value")
        if wait:
            made.add_argument("--wait", action="store_true", help="block until the work it started is done")
        return made

    app = verb("app", "start the app in this terminal", json=False)
    app.add_argument("--port", type=int, default=8501)

    demo = verb("demo", "make a project from a catalogue set", wait=True)
    demo.add_argument("name", help="digits, mnist-5k, bbc-news, fashion-mnist …")
    demo.add_argument("--labelled", type=int, default=40, help="labels to keep; the rest is the answer key")
    demo.add_argument("--project", help="the project's name (the set's by default)")
    demo.add_argument("--seed", type=int, default=0)
    demo.add_argument("--if-empty", action="store_true", help="only where there is no project yet")

    load = verb("import", "read a partly labelled set into a project", wait=True)
    load.add_argument(
        "source", help="a folder, a manifest (CSV, TSV, JSONL, Parquet, Excel) or a zip of these"
    )
    load.add_argument("--project", "-p", required=True)
    load.add_argument("--format", help="instead of what is sniffed")
    load.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="ROLE=COLUMN",
        help="text=body, path=file, id=key, split=part, task=topic, or task=stars:ordinal with a kind "
        "(single, ordinal, multiple, numeric); repeat for more",
    )
    load.add_argument(
        "--order",
        action="append",
        default=[],
        metavar="COLUMN=LOWEST,…,HIGHEST",
        help="the order of an ordinal column's classes, where their names do not tell it",
    )
    load.add_argument(
        "--unlabelled",
        action="append",
        default=[],
        metavar="COLUMN=VALUE,…",
        help="values of a task's column that mean no label, as an empty cell does",
    )
    load.add_argument("--encoding")
    load.add_argument("--delimiter")
    load.add_argument(
        "--encoder",
        help="one more: a name that `encoders` lists, run:PROJECT:ID, or timm:NAME, torchvision:NAME or "
        "st:NAME whose weights are on this machine or can be reached",
    )
    load.add_argument("--preview", action="store_true", help="say what would be done and write nothing")

    verb("projects", "the projects there are")
    verb("status", "a project in figures").add_argument("project")

    queue = verb("queue", "the next items to label, and why")
    queue.add_argument("project")
    queue.add_argument("-n", type=int, default=20, metavar="COUNT", help="questions wanted, at least 1 (20)")
    queue.add_argument("--task")
    queue.add_argument("--order", default="auto", help="auto, uncertain, diverse or random")

    quality = verb("quality", "doubtful labels, duplicates, calibration, and what more labels would bring")
    quality.add_argument("project")
    quality.add_argument("--task")

    predict = verb("predict", "the label and the confidence of every item")
    predict.add_argument("project")
    predict.add_argument("--task")
    predict.add_argument("--run", type=int, help="a finished run's predictions instead of those followed")

    export = verb("export", "write the labels, or the model, to a file or folder")
    export.add_argument("project")
    export.add_argument("--format", required=True, help="csv, jsonl, parquet, image_folder, model …")
    export.add_argument("--out", required=True)
    export.add_argument("--task")
    export.add_argument("--run", type=int, help="with --format model: the run whose model it is")
    export.add_argument(
        "--include",
        default="human,bulk,imported,pseudo",
        help="sources of labels to write, by comma (pseudo: the machine's own)",
    )
    export.add_argument(
        "--min-confidence",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="leave out pseudo-labels less sure than this (0 to 1)",
    )
    export.add_argument("--lossless", action="store_true", help="CSV for machines: no guard against formulas")

    train = verb("train", "train in the background", wait=True)
    train.add_argument("project")
    train.add_argument("--method", "-m", required=True)
    train.add_argument("--task", action="append", default=[], help="a task to learn (repeat for several)")
    train.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings")
    train.add_argument("--encoder", help="features to learn from; 'none' for the raw items")
    for part in ("warm_start", "transfer", "sharing", "balancing"):
        option = f"--{part.replace('_', '-')}"
        told = f"one that `methods` lists as {part} (settings: --set {part}.KEY=VALUE)"
        train.add_argument(option, metavar="NAME", help=told)
    train.add_argument("--minutes", type=float, help="time budget")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--follow", action="store_true", help="show the run live until it ends")

    advise = verb("advise", "three recipes to try, with reasons and minutes", wait=True)
    advise.add_argument("project")
    advise.add_argument("--task", action="append", default=[], help="a task to learn (repeat for several)")
    advise.add_argument("--minutes", type=float, help="time budget of each run")
    advise.add_argument("--start", action="store_true", help="queue all of them")

    ensemble = verb("ensemble", "combine finished runs into one prediction set", wait=True)
    ensemble.add_argument("project")
    ensemble.add_argument("--runs", default="", metavar="3,5", help="numbers of finished runs, by comma")
    ensemble.add_argument("--instant", action="store_true", help="the instant loop is a member, too")
    ensemble.add_argument("--task")
    ensemble.add_argument("--seed", type=int, default=0, help="deals the audit items into folds")

    runs = verb("runs", "the background runs of a project")
    runs.add_argument("project")
    runs.add_argument("--cancel", type=int, metavar="RUN", help="ask a run to stop")
    runs.add_argument("--resume", type=int, metavar="RUN", help="go on with a failed or cancelled run")
    runs.add_argument("--adopt", type=int, metavar="RUN", help="follow a finished run's predictions")

    simulate = verb("simulate", "replay labelling from the answer key, beside random questions")
    simulate.add_argument("project")
    simulate.add_argument("--strategy", "-s", default="auto", help="a query's name, or several by comma")
    simulate.add_argument("--model", default="auto", help="an instant model's name, or several by comma")
    simulate.add_argument("--budget", type=int, default=100, help="labels asked for in each replay")
    simulate.add_argument("--seeds", type=int, default=5, help="replays of each strategy and model")
    simulate.add_argument("--views", help="feature sets by comma; by default those that the app uses")
    simulate.add_argument("--task")
    simulate.add_argument(
        "--plot", metavar="FILE", help="write the curves to FILE.html (.png where kaleido is installed)"
    )

    verb("methods", "the training methods there are, and what is chosen beside one")
    verb("queries", "the query strategies there are")
    verb("encoders", "the encoders there are")
    verb("formats", "the formats there are")

    worker = verb("worker", "work off the background runs of a project", json=False)
    worker.add_argument("project")
    verb("doctor", "what this installation has and lacks")
    return top


if __name__ == "__main__":
    sys.exit(main())
