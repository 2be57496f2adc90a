"""An adopted run's sets and numbers, in the shape of the instant loop's, so that every page follows either.

A run says no more of labelled items than of others, so what it says of them stands where the instant loop has
left-out answers; it may have learned from them, and no figure rests on it. A run gives numbers without a
range. Theirs is split conformal (Lei et al. 2018), ``f(x) ± q s(x)``: q from the run's own errors on the
audit split, s how far the instant loop expects errors to reach, which no audit answer had a part in.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from sslcore.instant.multiple import MultipleResult, best_cut
from sslcore.instant.numeric import COVERAGE, ENOUGH_AUDIT, NumericResult, conformal_quantile
from sslcore.shapes import FloatArray
from sslcore.store.fold import TaskState
from sslcore.workbench.figures import answered_audit, numbers, sets

METHOD = "run"
REASON = "adopted by you"


def prediction_file(folder: Path, run_id: int, task_id: int, kind: str) -> Path:
    """Where a run's predictions of a task lie: probabilities, of numeric tasks numbers."""
    name = "value" if kind == "numeric" else "proba"
    return folder / "runs" / str(run_id) / f"{name}_{task_id}.npy"


def adopted_sets(state: TaskState, proba_NC: FloatArray) -> MultipleResult:
    """A run's probabilities of a multiple-choice task; classes that a person ruled out have none."""
    if rejected := state.rejected_pairs():
        proba_NC = proba_NC.copy()
        row_R, class_R = np.array(rejected).T
        proba_NC[row_R, class_R] = 0.0
    row_L = np.flatnonzero(state.labelled_N & ~state.audit_N)
    return MultipleResult(
        proba_NC=proba_NC,
        answer_LC=sets(state, row_L),
        labelled_row_L=row_L,
        out_of_fold_proba_LC=proba_NC[row_L],
        method=METHOD,
        reason=REASON,
        score={},
        head_proba_NC=proba_NC,
        seconds=0.0,
        threshold=best_cut(proba_NC),
    )


def adopted_numbers(state: TaskState, said_N: FloatArray, loop: NumericResult | None) -> NumericResult:
    """A run's numbers with a range that holds nine in ten; without one before there are 20 audit answers.

    Args:
        state: The labels.
        said_N: The run's numbers, float64.
        loop: What the instant loop says, for how far errors reach; None where it says nothing.
    """
    row_L = np.flatnonzero(state.labelled_N & ~state.audit_N)
    value_L, row_A = numbers(state, row_L), answered_audit(state)
    spread_N = np.ones(len(said_N)) if loop is None else loop.uncertainty_N.copy()
    known = spread_N[spread_N > 0]
    spread_N[spread_N <= 0] = np.median(known) if len(known) else 1.0
    quantile = math.inf
    if len(row_A) >= ENOUGH_AUDIT:
        error_A = np.abs(numbers(state, row_A) - said_N[row_A])
        quantile = conformal_quantile(error_A / spread_N[row_A], COVERAGE)
    reach_N = quantile * spread_N if math.isfinite(quantile) else np.full(len(said_N), np.nan)
    low_N, high_N, prediction_N = said_N - reach_N, said_N + reach_N, said_N.copy()
    for held_N in (low_N, high_N, prediction_N):
        held_N[row_L] = value_L
    spread_N[row_L] = 0.0
    return NumericResult(
        prediction_N=prediction_N,
        low_N=low_N,
        high_N=high_N,
        value_L=value_L,
        labelled_row_L=row_L,
        out_of_fold_L=said_N[row_L],
        head_prediction_N=said_N,
        head_out_of_fold_L=said_N[row_L],
        method=METHOD,
        reason=REASON,
        score={},
        coverage=COVERAGE,
        interval_source="audit" if math.isfinite(quantile) else "none",
        uncertainty_N=spread_N,
        seconds=0.0,
    )
