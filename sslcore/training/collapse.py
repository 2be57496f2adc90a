"""When a run has collapsed: seen in the run, not after it.

Two signs. One class is given, on three evaluations in a row, to a tenth of all items more than expected, and
either more than three times as often or so often that all others get less than a tenth of what is expected of
them (of two classes none can be given three times as often). Expected is what the labels say, or what the
supervised head says where that is more: of a rare class there may be as many labels as of the others. Or
the run is clearly worse than the head: with probability .95 by McNemar's test on the audit answers in its
Bayesian form (the items that one has right and the other wrong are draws of ``Beta(½ + wins, ½ + losses)``).
Without audit answers it is judged by how often it agrees with the head on unlabelled items: too seldom for a
model as good as that (Platanios, Blum and Mitchell 2014, "Estimating accuracy from unlabeled data"). The
first quarter of a run does not count: every network starts below the head and with a favourite class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sslcore.shapes import BoolArray, FloatArray

OFTEN = 3.0  # times what is expected
STARVED = 0.1  # of what is expected of all other classes
IN_A_ROW = 3
SURE = 0.95
EXCESS = 0.1
"""Share of all items that a class must be given beyond what is expected: of 150 classes with two labels each
some are given three times as often as labelled by chance alone, and the run is healthy."""
QUANTILES = 200  # of a distribution, where it is averaged over
SETTLED = 0.25  # share of the run before which nothing is called a collapse


def dominance(share_C: FloatArray, expected_C: FloatArray) -> float:
    """How many times as often as expected the most favoured class is given, where that is more than chance.

    Args:
        share_C: How often each class is given.
        expected_C: How often labels, or the head, say that it should be.

    >>> import numpy as np
    >>> dominance(np.array([0.6, 0.4]), np.array([0.2, 0.8]))
    3.0
    >>> dominance(np.array([0.02, 0.98]), np.array([0.002, 0.998]))  # ten times, but of two in a hundred
    0.0
    """
    far_C = share_C - expected_C >= EXCESS
    return round(float((share_C[far_C] / expected_C[far_C]).max()), 6) if far_C.any() else 0.0


def left_for_others(share_C: FloatArray, expected_C: FloatArray) -> float:
    """What a class leaves to all others, of what is expected of them; 1 where no class takes too much.

    Args:
        share_C: How often each class is given.
        expected_C: How often labels, or the head, say that it should be.

    >>> import numpy as np
    >>> left_for_others(np.array([0.99, 0.01]), np.array([0.5, 0.5]))
    0.02
    >>> left_for_others(np.array([0.7, 0.3]), np.array([0.5, 0.5]))
    0.6
    >>> left_for_others(np.array([1.0, 0.0]), np.array([0.95, 0.05]))  # nearly all that is expected
    1.0
    """
    far_C = share_C - expected_C >= EXCESS
    left_C = (1.0 - share_C[far_C]) / (1.0 - expected_C[far_C])
    return round(float(left_C.min()), 6) if far_C.any() else 1.0


def probability_below(right_A: BoolArray, head_A: BoolArray) -> float:
    """Probability that a model is worse than the supervised head on the audited population.

    Args:
        right_A: Where the model is right.
        head_A: Where the head is right on the same items.

    >>> import numpy as np
    >>> right_A = np.arange(40) < 20
    >>> round(probability_below(right_A, np.arange(40) < 30), 3)  # ten items for the head, none against
    1.0
    >>> round(probability_below(right_A, right_A), 3)
    0.5
    """
    from scipy.special import betainc

    wins, losses = float((right_A & ~head_A).sum()), float((head_A & ~right_A).sum())
    return float(betainc(wins + 0.5, losses + 0.5, 0.5))


def probability_below_unseen(same_U: BoolArray, left_out: tuple[int, int], classes: int) -> float:
    """Probability that a model is worse than the supervised head, where nobody has looked at its answers.

    Two models that are right on the share h of the items, and whose mistakes have nothing in common, agree on
    h² + (1 − h)² / (C − 1) of them; mistakes in common only make that more. Below it, the model is worse than
    h. What the head is right on is only known as far as its left-out answers tell, and the agreement from a
    sample: both are drawn from their Beta distributions (Jeffreys' prior).

    Args:
        same_U: Of unlabelled items, where the model gives the head's answer.
        left_out: How many labels the head had right without having seen them, of how many.
        classes: Number of classes C.

    >>> same_U = np.arange(500) < 250
    >>> round(probability_below_unseen(same_U, (36, 40), 4), 3)  # two such heads agree on 82 %
    1.0
    >>> round(probability_below_unseen(same_U, (3, 4), 4), 3)  # four labels say little about the head
    0.584
    """
    from scipy.special import betainc, betaincinv

    hits, asked = left_out
    at_Q = (np.arange(QUANTILES) + 0.5) / QUANTILES
    head_Q = betaincinv(hits + 0.5, asked - hits + 0.5, at_Q)
    bar_Q = head_Q**2 + (1 - head_Q) ** 2 / max(1, classes - 1)
    same = float(same_U.sum())
    return float(betainc(same + 0.5, len(same_U) - same + 0.5, bar_Q).mean())


@dataclass
class Signs:
    """What the evaluations so far say of one task.

    Attributes:
        looks: Evaluations that counted.
        streak: How many of the last ones had one class far over what is expected.
        over: How far, last.
        left: What it leaves to the others, last (:func:`left_for_others`).
        below: Probability of being below the head, last; None where that is not known.
        agreement: Share of unlabelled items with the head's answer, where ``below`` rests on that.
        since: The step at which it collapsed; None where it has not.
    """

    looks: int = 0
    streak: int = 0
    over: float = 0.0
    left: float = 1.0
    below: float | None = None
    agreement: float | None = None
    since: int | None = None

    @property
    def one_class(self) -> bool:
        """Whether one class takes far too much at the last evaluation."""
        return self.over > OFTEN or self.left < STARVED

    @property
    def sound(self) -> bool:
        """Whether the last evaluation by itself shows no sign."""
        return not self.one_class and (self.below is None or self.below < SURE)

    def collapsed(self) -> bool:
        """Whether the signs are enough; of a run with fewer than three evaluations, all of them."""
        one_class = self.streak > 0 and self.streak >= min(IN_A_ROW, self.looks)
        return one_class or (self.below is not None and self.below >= SURE)


@dataclass
class Watch:
    """Watches the tasks of a run.

    Args:
        tasks: Their names.

    >>> watch = Watch(["topic"])
    >>> [watch.look("topic", step, 0.5, {"dominance": 4.0}) for step in (10, 20)]
    ['', '']
    >>> watch.look("topic", 30, 0.5, {"dominance": 4.0})
    "Collapsed on 'topic' from step 30 on: one class is given 4.0 times as often as the labels say."
    >>> watch.collapsed("topic"), watch.look("topic", 40, 0.5, {"dominance": 1.0})
    (True, "Recovered on 'topic' at step 40.")
    """

    tasks: Sequence[str]
    signs: dict[str, Signs] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.signs = {name: self.signs.get(name, Signs()) for name in self.tasks}

    def look(self, task: str, step: int, done: float, figures: Mapping[str, float]) -> str:
        """Takes the figures of one evaluation; what is new, in a line for the user.

        Args:
            task: The task's name.
            step: The step.
            done: Share of the run that is over.
            figures: ``dominance``, ``left_for_others``, ``below_head`` and ``head_agreement``, where known.
        """
        held = self.signs[task]
        held.over, held.below = figures.get("dominance", 0.0), figures.get("below_head")
        held.left, held.agreement = figures.get("left_for_others", 1.0), figures.get("head_agreement")
        if done < SETTLED:
            return ""
        held.looks += 1
        held.streak = held.streak + 1 if held.one_class else 0
        # a streak of two at the third look is no collapse yet, one at the only look is judged at the end
        now = held.streak >= IN_A_ROW or (held.below is not None and held.below >= SURE)
        if now == (held.since is not None):
            return ""
        held.since = step if now else None
        return (
            f"Collapsed on {task!r} from step {step} on: {self.why(task)}"
            if now
            else (f"Recovered on {task!r} at step {step}.")
        )

    def why(self, task: str) -> str:
        """The signs in a sentence."""
        held, found = self.signs[task], []
        if held.over > OFTEN:
            found.append(f"one class is given {held.over:.1f} times as often as the labels say")
        elif held.one_class:
            found.append("one class is given to nearly all items, and the labels do not say so")
        if held.below is not None and held.below >= SURE:
            where = "on the audit split"
            if held.agreement is not None:
                where = (
                    f"by all signs: it gives {held.agreement:.0%} of the unlabelled items the head's answer, "
                    "less than two models as good as the head would agree on"
                )
            found.append(f"it is below the supervised head {where} (probability {held.below:.0%})")
        return " and ".join(found) + "."

    def help(self, task: str) -> str:
        """What may help, in a sentence."""
        if self.signs[task].one_class:
            return "Label more of the classes that are missing, or raise the threshold."
        return (
            "The linear head knows more: let the run learn from features or from a network that is trained "
            "already, give it more time, or label more."
        )

    def doubt(self, task: str) -> float | None:
        """Probability of being below the head where it is likely and no audit answers tell; else None."""
        held = self.signs[task]
        known = held.agreement is not None and held.below is not None and held.below > 0.5
        return held.below if known else None

    def collapsed(self, task: str) -> bool:
        """Whether a task is collapsed now."""
        return self.signs[task].collapsed()

    def sound(self) -> bool:
        """Whether the last evaluation of every task shows no sign of it."""
        return all(held.sound for held in self.signs.values())

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, for the checkpoint."""
        return {name: vars(held) for name, held in self.signs.items()}

    def read(self, held: Mapping[str, Any]) -> None:
        """Takes up what :meth:`as_dict` gave."""
        self.signs |= {name: Signs(**signs) for name, signs in held.items() if name in self.signs}
