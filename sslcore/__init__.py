"""Labelloom's library: semi-supervised learning from the annotator's own screen.

The three public faces are imported on first use, so that ``import sslcore`` stays cheap:
:class:`SemiSupervisedClassifier`, :func:`select_queries`, :func:`find_label_issues`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["SemiSupervisedClassifier", "__version__", "find_label_issues", "select_queries"]

if TYPE_CHECKING:
    from sslcore.estimator import SemiSupervisedClassifier, find_label_issues, select_queries


def __getattr__(name: str) -> Any:
    if name in __all__:
        from sslcore import estimator

        return getattr(estimator, name)
    raise AttributeError(f"module 'sslcore' has no attribute {name!r}")
