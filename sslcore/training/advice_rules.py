"""The rules of advice, one a kind of recipe: when it is proposed, with which settings, and why.

Each reads a project and returns a proposal with a score between 0 and 1, its place before any figure is
looked up, or None where it cannot serve. Scores are judgement; :mod:`sslcore.training.advice` moves them by
what was measured. What a reason claims without a figure from here it calls not measured.
"""

from __future__ import annotations

import math

from sslcore.training.measured import METHODS_PAGE
from sslcore.training.proposal import Proposal, Reason, Situation, TaskFacts

NOT_MEASURED = "not measured here"
FEW = 25
"""Labels a class up to which texts gain more by labels than by training, wherever it was measured."""
SMALL = 32
"""Pixels up to which images count as small."""
IMAGES_A_SECOND = {"efficientnet_lite0": 145.0, "small_cnn": 3000.0}
"""Items that one core predicts a second, docs/measured.md (EfficientNet-Lite0 at 128 pixels)."""
TEXTS_A_SECOND = 26.4
"""The same of MiniLM."""
START_MINUTES = 0.2
"""To start a worker and read the items."""


def _pretrained(facts: Situation) -> Proposal | None:
    """A network that knows photographs, taken over."""
    if not facts.pretrained:
        return None
    each, task = facts.task.per_class, facts.task
    transfer = "frozen" if each < 4 else "finetune" if each < 10 else "linear_probe"
    budget = _budget(facts, 2.0 if facts.items < 5000 else 4.0)
    why = {
        "frozen": "Under four labels a class only the last layer learns, so that nothing is forgotten",
        "finetune": "All of it learns, deep layers slowly",
        "linear_probe": "With ten labels a class and more the last layer learns first, then everything",
    }[transfer]
    kind = "colour photographs" if facts.photographs else "small or grey images, which it knows less well,"
    return Proposal(
        "pretrained",
        "Take over a network that knows photographs",
        "supervised",
        train_config={"minutes": budget, "backbone": "efficientnet_lite0"},
        fusion={} if transfer == "finetune" else {"transfer": transfer},
        reasons=(
            Reason(
                f"{_labels(task)}, {facts.items:,} {kind} of {facts.side} px: "
                "pretrained weights know more than so few labels can teach."
                if facts.photographs
                else f"{_labels(task)}, {facts.items:,} {kind} of {facts.side} px."
            ),
            Reason(f"{why} ({NOT_MEASURED} against other transfers).", choice=True),
        ),
        minutes=_minutes(facts, budget, "efficientnet_lite0"),
        score=0.8 if facts.photographs else 0.15,
    )


def _consistency(facts: Situation) -> Proposal | None:
    """The unlabelled items teach: the raw images, two views of each."""
    task = facts.classed or facts.task
    method = "freematch" if task.per_class < 4 else "mean_teacher"
    network = "efficientnet_lite0" if facts.photographs and facts.pretrained else "small_cnn"
    budget = _budget(facts, _images(facts))
    if facts.classed is None:
        rule = Reason(f"Which method suits sets and numbers is {NOT_MEASURED}.", choice=True)
    elif method == "freematch":
        rule = Reason(
            "Under four labels a class a fixed bar for pseudo-labels suits nobody: FreeMatch finds its own "
            f"({NOT_MEASURED}).",
            choice=True,
        )
    else:
        rule = Reason(
            "From four labels a class on Mean Teacher gained most in short runs.", METHODS_PAGE, choice=True
        )
    return Proposal(
        "consistency",
        "Let the unlabelled images teach",
        method,
        train_config={"minutes": budget},
        reasons=(
            Reason(
                f"{_unlabelled(facts, task):,} images without a label stand beside {task.labels:,} to learn "
                f"from{_kept(task)}: the network learns to say of a distorted image what it says of the "
                "plain one."
            ),
            rule,
        ),
        minutes=_minutes(facts, budget, network),
        score=0.6,
    )


def _student(facts: Situation) -> Proposal | None:
    """The instant loop teaches a network that can leave the house."""
    raw = facts.modality == "image"
    backbone = "small_cnn" if raw else "text_embedding"
    budget = _budget(facts, _images(facts) if raw else 2.0)
    return Proposal(
        "student",
        "Teach a network what the instant loop knows",
        "supervised",
        train_config={"minutes": budget, "backbone": backbone},
        fusion={"transfer": "distil"},
        reasons=(
            Reason(
                f"The instant loop is the teacher: what it says of all {facts.items:,} items is learned, "
                f"then the {task_labels(facts)}, so the network starts where the loop stands."
            ),
            Reason(
                "After each quarter of the run the teacher looks at what the network sees, and teaches anew "
                "as far as left-out labels say that it sees more. One small model is left, for new "
                + ("images." if raw else "texts without a transformer.")
            ),
        ),
        minutes=_minutes(facts, budget, backbone),
        score=0.5,
    )


def _features(facts: Situation) -> Proposal | None:
    """A small network on frozen features."""
    if not facts.encoders:
        return None
    encoder, task = facts.encoders[0], facts.task
    budget = min(_budget(facts, 1.0), 3.0)
    method = "fixmatch" if task.per_class >= 4 else "uda"
    return Proposal(
        "features",
        f"A small network on the {encoder} features",
        method,
        encoder=encoder,
        train_config={"minutes": budget},
        reasons=(
            Reason(
                f"The {encoder} features of all {facts.items:,} items are there: a pass takes moments, "
                f"so the unlabelled items are heard hundreds of times in {budget:g} min."
            ),
            Reason(
                f"{_labels(task)}: "
                + (
                    "enough for answers above a bar to be worth learning"
                    if method == "fixmatch"
                    else "soft targets (UDA) keep what a hard answer would throw away"
                )
                + f" ({NOT_MEASURED} against other methods).",
                choice=True,
            ),
        ),
        minutes=_minutes(facts, budget, ""),
        score=0.75 if facts.modality == "text" else 0.4,
    )


def _contrastive(facts: Situation) -> Proposal | None:
    """The transformer itself learns which texts belong together."""
    if not facts.pretrained:
        return None
    task = facts.task
    need = 4.0 + facts.items / (TEXTS_A_SECOND * 60 * 4)
    budget = _budget(facts, max(4.0, round(need)))
    suits = 4 <= task.per_class <= 50
    pairs = task.labels * (task.labels - 1) // 2
    return Proposal(
        "contrastive",
        "Refine the transformer on pairs of labelled texts",
        "supervised",
        train_config={"minutes": budget, "backbone": "minilm"},
        fusion={"transfer": "contrastive"},
        reasons=(
            Reason(
                f"{task.labels:,} labels make {pairs:,} pairs of texts that belong together or do not, "
                "enough to move the whole encoder, which features alone leave as it is."
            ),
            Reason(
                f"Made for 4 to 50 labels a class; here {task.per_class:.0f}. It reads the raw texts, "
                "slowly on a processor."
            ),
        ),
        minutes=_minutes(facts, budget, "minilm"),
        score=(0.6 if suits else 0.3) - (0.0 if facts.on_gpu or budget >= 3 else 0.2),
    )


def _finetuned(facts: Situation) -> Proposal | None:
    """The transformer on raw texts, with what the unlabelled ones say."""
    if not facts.pretrained:
        return None
    task = facts.task
    budget = _budget(facts, 6.0)
    return Proposal(
        "finetuned",
        "Fine-tune the transformer on the texts themselves",
        "fixmatch",
        train_config={"minutes": budget, "backbone": "minilm"},
        reasons=(
            Reason(
                f"{_labels(task)}: with tens of labels a class the transformer may learn what its features "
                "lack; with fewer it mostly keeps what it knew."
            ),
        ),
        minutes=_minutes(facts, budget, "minilm"),
        score=0.55 if task.per_class >= FEW else 0.2,
    )


def _warm(facts: Situation) -> Proposal | None:
    """All images teach first, without any label."""
    if (facts.photographs and facts.pretrained) or facts.items < 2000:
        return None
    budget = _budget(facts, max(10.0, _images(facts)))
    if budget < 8:
        return None
    return Proposal(
        "warm",
        "Learn from all images first, without labels",
        "fixmatch",
        train_config={"minutes": budget},
        fusion={"warm_start": "simclr"},
        reasons=(
            Reason(
                f"No packaged network knows images like these ({facts.side} px"
                f"{', grey' if not facts.colour else ''}), and {facts.items:,} of them are enough to learn "
                "from."
            ),
            Reason(f"{budget:g} min leave time for a warm start of three and the method after it."),
        ),
        minutes=_minutes(facts, budget, "small_cnn"),
        score=0.45,
    )


def _generative(facts: Situation) -> Proposal | None:
    """A model that makes the items, and their classes with them."""
    if facts.side > SMALL or facts.colour:
        return None
    task = facts.task
    budget = _budget(facts, _images(facts))
    return Proposal(
        "generative",
        "Learn how the images come about (SSVAE)",
        "ssvae",
        train_config={"minutes": budget},
        reasons=(
            Reason(
                f"Small grey images ({facts.side} px) are what such models draw well, and each of the "
                f"{_unlabelled(facts, task):,} unlabelled ones counts: its class is summed over."
            ),
            Reason("What it draws is shown as it improves, so a confusion between classes can be seen."),
        ),
        minutes=_minutes(facts, budget, "small_cnn"),
        score=0.42,
    )


def _experts(facts: Situation) -> Proposal | None:
    """Several tasks on features, with experts that each task mixes for itself."""
    if len(facts.tasks) < 2 or not facts.encoders:
        return None
    budget = min(_budget(facts, 2.0), 5.0)
    poor, rich = facts.task, max(facts.tasks, key=lambda task: task.per_class)
    return Proposal(
        "experts",
        f"Experts that each task mixes, on the {facts.encoders[0]} features",
        "supervised",
        encoder=facts.encoders[0],
        train_config={"minutes": budget},
        fusion={"sharing": "mmoe"},
        reasons=(
            Reason(
                f"{poor.name} has {poor.per_class:.0f} labels a class, {rich.name} {rich.per_class:.0f}: "
                "experts carry what one knows to the other, as far as each task's gate lets them."
            ),
        ),
        minutes=_minutes(facts, budget, ""),
        score=0.58,
    )


IMAGE_RULES = (_pretrained, _consistency, _student, _features, _warm, _generative, _experts)
TEXT_RULES = (_features, _contrastive, _student, _finetuned, _experts)


def _budget(facts: Situation, usual: float) -> float:
    """Minutes of the run itself."""
    return float(usual if facts.minutes is None else facts.minutes)


def _images(facts: Situation) -> float:
    """Minutes in which a network gets through the images often enough on two cores, docs/measured.md."""
    return float(min(30, max(2, round(1 + facts.items / 3000))))


def _minutes(facts: Situation, budget: float, network: str) -> float:
    """Minutes until a run is done: its budget, the start, and predicting all items at the end."""
    rate = TEXTS_A_SECOND if network == "minilm" else IMAGES_A_SECOND.get(network, math.inf)
    faster = 20.0 if facts.on_gpu else max(1.0, 0.7 * facts.cores)
    return round(budget + START_MINUTES + facts.items / (rate * faster * 60), 1)


def _unlabelled(facts: Situation, task: TaskFacts) -> int:
    """Items without an answer: those of the audit have one."""
    return facts.items - task.labels - task.audited


def _kept(task: TaskFacts) -> str:
    """Labels that are there and not learned, in brackets."""
    if not task.audited:
        return ""
    return f" ({task.audited:,} more {'is' if task.audited == 1 else 'are'} kept for the audit)"


def task_labels(facts: Situation) -> str:
    """The labels in words.

    >>> task_labels(Situation("text", 9, (TaskFacts("topic", "single", 3, 1),)))
    '1 label'
    """
    count = facts.task.labels
    return f"{count:,} label{'' if count == 1 else 's'}"


def _labels(task: TaskFacts) -> str:
    """Labels a class in words, as far as the kind of the task has classes."""
    if task.kind == "numeric":
        return f"{task.labels:,} numbers to learn from"
    each = task.per_class
    return f"{each:.0f} labels a class" if each >= 1.5 else f"{task.labels} labels for {task.classes} classes"
