"""The letters that names of arrays and tensors end in.

A name carries its shape: ``strong_logits_UC`` is logits of the strong views, one row per unlabelled
item, one column per class. Legend:

====== ==========================================================================
letter axis
====== ==========================================================================
``N``  all items of the set
``L``  labelled items of the set or of the batch
``U``  unlabelled items of the set or of the batch
``B``  items of a batch
``A``  items of the audit split
``C``  classes of one task
``D``  dimensions of a feature
``K``  nearest neighbours
``T``  tasks
``V``  feature views
``H``  hidden units
``X``  (``xHW``) channels of an image; images are ``NXHW``: items, channels, height, width
====== ==========================================================================

Labels are integers with ``-1`` for "no label", as in scikit-learn. Probabilities are named
``proba``, logits ``logits``, and neither ever holds the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.integer]
BoolArray = NDArray[np.bool_]

UNLABELLED = -1
"""The integer that stands for "no label"."""
