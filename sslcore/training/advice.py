"""Which one? Three recipes for a project, different in kind, with reasons and minutes; or more labels first.

The rules (:mod:`sslcore.training.advice_rules`) propose what fits modality, labels a class, size and colour
of the images, tasks, features at hand and time. Their order follows from what was measured
(:mod:`sslcore.training.evidence`): an approach that led the instant loop on a set like this one moves up, by
a tenth for each point and one and a half at most, the less, the less that set is like the project; one that
trailed it moves down, by a quarter at most. Where no figure leads the instant loop, labels come before
training. Torch is not imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from sslcore.methods import METHODS
from sslcore.training.advice_rules import FEW, IMAGE_RULES, NOT_MEASURED, TEXT_RULES
from sslcore.training.evidence import Finding, distance, finding, instant, nearest
from sslcore.training.measured import EFFICIENCY, MULTITASK_PAGE, SETS, Score, Together, scores, together
from sslcore.training.proposal import Proposal, Reason, Situation

COUNT = 3
"""Recipes that are proposed."""
UNEVEN = 5.0
"""The largest class has so many times the labels of the rarest: steps are dealt evenly then."""


@dataclass(frozen=True)
class Counsel:
    """Three recipes, and whether labels should come first.

    Args:
        proposals: Different in kind, the most promising first.
        labels_first: Why labels are likely to bring more; None where training may.
        beat: What a run has to beat, as :attr:`TaskFacts.instant`.
        like: The measured set that the project is most like; None where none is near, or where the project
            asks for no class.
    """

    proposals: tuple[Proposal, ...]
    labels_first: Reason | None
    beat: tuple[float, float, float] | None
    like: str | None


def counsel(
    facts: Situation,
    *,
    allowed: Callable[[Proposal], bool] = lambda proposal: True,
    held: Sequence[Score] | None = None,
) -> Counsel:
    """What to try on a project.

    Args:
        facts: The project.
        allowed: Whether a proposal can run; those that cannot are passed over.
        held: Figures to rest on; by default all there are.

    >>> from sslcore.training.proposal import TaskFacts
    >>> clothes = Situation("image", 10_000, (TaskFacts("kind", "single", 10, 40, 4, 4),), side=28)
    >>> given = counsel(clothes, held=())
    >>> [p.key for p in given.proposals]
    ['consistency', 'student', 'warm']
    """
    held = scores() if held is None else held
    if not facts.tasks or not any(task.labels for task in facts.tasks):
        first = Reason("There is no label to learn from yet. Ten answers are enough for the instant loop.")
        return Counsel((), first, None, _like(facts))
    rules = IMAGE_RULES if facts.modality == "image" else TEXT_RULES
    drafts = [draft for rule in rules if (draft := rule(facts)) is not None]
    ranked = sorted((weighed(facts, draft, held) for draft in drafts), key=lambda p: -p.score)
    gains = together() if len(facts.tasks) > 1 else {}
    whole = (_brief(_together(facts, _dealt(facts, proposal), gains)) for proposal in ranked)
    chosen = tuple(islice((proposal for proposal in whole if allowed(proposal)), COUNT))
    return Counsel(chosen, labels_first(facts, ranked), facts.task.instant, _like(facts))


APPROACHES = (
    "pretrained",
    "consistency",
    "student",
    "warm",
    "generative",
    "features",
    "contrastive",
    "finetuned",
)
"""Kinds of proposal that figures are looked up for, under the same name; the others have none."""
HOW = {
    "frozen": {"transfer": "frozen"},
    "linear probe, then all": {"transfer": "linear_probe"},
    "fine-tuned": {},
    "l2_sp": {"transfer": "l2_sp"},
    "lora": {"transfer": "lora"},
    "contrastive, on frozen features": {"transfer": "contrastive"},
    "masked, on frozen features": {"warm_start": "masked"},
    "perceptron on frozen features": {},
    "autoencoder": {"warm_start": "autoencoder"},
    "simclr": {"warm_start": "simclr"},
    "vicreg": {"warm_start": "vicreg"},
}
"""What the recipes of docs/transfer.md chose; a proposal takes over what did best."""


def weighed(facts: Situation, draft: Proposal, held: Sequence[Score]) -> Proposal:
    """A proposal with what was measured of its kind: its place moved, its choices those that did best.

    All that was measured is of one class an item, and says nothing of sets and numbers.
    """
    task, found = facts.classed, None
    if task is not None and draft.key in APPROACHES:
        found = finding(facts.ground, task.per_class, draft.key, held)
    if found is None:
        nothing = Reason(f"Whether it passes the instant loop is {NOT_MEASURED}.", choice=True)
        return replace(draft, reasons=(*draft.reasons, nothing))
    lead = found.mean_lead
    moved = 0.0 if lead is None else max(-0.25, min(1.5, lead / 10))
    if moved > 0:
        moved /= 1 + distance(facts.ground, SETS[found.score.ground])
    best = _as_measured(draft, found)
    return replace(best, reasons=(*best.reasons, told(found)), score=draft.score + moved, found=found)


def _as_measured(draft: Proposal, found: Finding) -> Proposal:
    """The draft with the method, transfer and warm start of the best figure of its kind."""
    method = draft.method if draft.key == "warm" else found.score.method
    chosen = HOW.get(found.score.how)
    fusion = dict(draft.fusion) if chosen is None else chosen
    if (method, fusion) == (draft.method, dict(draft.fusion)):
        return draft
    config = draft.method_config if method == draft.method else {}
    kept = tuple(reason for reason in draft.reasons if not reason.choice)
    return replace(draft, method=method, method_config=config, fusion=fusion, reasons=kept)


def told(found: Finding) -> Reason:
    """A figure from a set like the project's, beside the instant loop's there."""
    row = found.score
    title = METHODS[row.method].title if row.method in METHODS.names() else row.method
    which = ", ".join(part for part in (row.how, title) if part)
    best = which if found.level else f"the best of its kind ({which})"
    text = f"On {row.ground} with {row.per_class:g} labels a class {best} reached "
    beside = "" if found.instant is None else f", the instant loop {found.instant:.0f} %"
    others = f"{found.level} others" if found.level > 1 else "another"
    led = f" Within what draws of labels differ by, {others} of its kind did as well; over all sets it leads."
    also = "".join(
        f"; on {held.score.ground} {held.score.accuracy:.0f} %"
        + ("" if held.instant is None else f" ({held.instant:.0f} %)")
        for held in found.others
    )
    return Reason(f"{text}{row.accuracy:.0f} %{beside}{also}.{led if found.level else ''}", row.source)


def labels_first(facts: Situation, considered: Sequence[Proposal]) -> Reason | None:
    """Why labels come before training; None where some training led the instant loop on a set like this."""
    task, like = facts.classed, _like(facts)
    if task is None:
        return None
    known = [p.found for p in considered if p.found is not None and p.found.mean_lead is not None]
    if known:
        if max(found.mean_lead or 0.0 for found in known) > 1.0:
            return None
        apart = {found: round(distance(facts.ground, SETS[found.score.ground]), 2) for found in known}
        nearby = [found for found in known if apart[found] == min(apart.values())]
        best = max(nearby, key=lambda found: found.mean_lead or 0.0).least
        lead = best.lead or 0.0
        how = f"was {-lead:.0f} points ahead of" if lead < -1.0 else "was within a point of"
        return Reason(
            f"On {best.score.ground} with {best.score.per_class:g} labels a class, of the measured sets the "
            f"one most like this, the instant loop {how} the best training run.",
            best.score.source,
        )
    if facts.modality == "text" and task.per_class <= FEW and like is not None:
        low = instant(like, max(1.0, min(task.per_class, FEW)))
        high = instant(like, max(1.0, min(4 * task.per_class, FEW)))
        if low is not None and high is not None and high - low >= 0.5:
            return Reason(
                f"On {like} four times the labels took the instant loop from {low:.0f} to {high:.0f} %; "
                f"what training adds there is {NOT_MEASURED}.",
                EFFICIENCY,
            )
    return None


def _like(facts: Situation) -> str | None:
    """The measured set that the project is most like."""
    return None if facts.classed is None else nearest(facts.ground)


def _brief(proposal: Proposal) -> Proposal:
    """Beyond three reasons, those for a single choice are left out."""
    if len(proposal.reasons) <= 3:
        return proposal
    return replace(proposal, reasons=tuple(reason for reason in proposal.reasons if not reason.choice))


def _dealt(facts: Situation, proposal: Proposal) -> Proposal:
    """Evenly dealt steps where the labels are a long tail."""
    task = facts.task
    if task.kind not in ("single", "ordinal") or task.most < UNEVEN * max(task.rarest, 1):
        return proposal
    said = Reason(
        f"{task.rarest} to {task.most} labels a class: each step is dealt evenly over them ({NOT_MEASURED})."
    )
    config = {**proposal.train_config, "balanced_batches": True}
    return replace(proposal, train_config=config, reasons=(*proposal.reasons, said))


def _together(
    facts: Situation, proposal: Proposal, gains: Mapping[tuple[str, str, str], Together]
) -> Proposal:
    """How several tasks share the network, whose loss weighs what, and what just that brought elsewhere."""
    if len(facts.tasks) < 2:
        return proposal
    kinds = {task.kind for task in facts.tasks}
    balancing = "uncertainty" if len(kinds) > 1 else "fixed"
    names = ", ".join(task.name for task in facts.tasks)
    weights = (
        "learned weights: their losses have different scales"
        if len(kinds) > 1
        else "equal weights: cleverer ones seldom beat them (Xin et al. 2022)"
    )
    fusion = {"sharing": "hard", "balancing": balancing} | dict(proposal.fusion)
    known = gains.get((facts.modality, fusion["sharing"], fusion["balancing"]))
    gained = f"What that brings is {NOT_MEASURED}."
    if known is not None:
        between = f"{known.low:+.1f} to {known.high:+.1f}"
        gained = (
            f"So two tasks of classes on {known.ground} gained {known.gain:+.1f} % ({between}) over a "
            "network each, from labels alone."
        )
    said = Reason(f"{names} share one network, {weights}. {gained}", "" if known is None else MULTITASK_PAGE)
    return replace(proposal, fusion=fusion, reasons=(*proposal.reasons, said))
