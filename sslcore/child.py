"""A short child process that answers in one line of JSON: what needs torch, asked where torch must not be.

The child is a module of this library, ``python -m MODULE WORDS...``; its last line of output is the answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from sslcore.errors import LabelloomError
from sslcore.place import python_path

SECONDS = 120.0
"""Longest time a child may take; on a quiet machine it takes two to five seconds."""


def answer_of(module: str, *words: str, failing: str) -> Any:
    """What the child says.

    Args:
        module: The module that answers.
        words: Its arguments.
        failing: What an error is about, as the start of its sentence.

    Raises:
        LabelloomError: No answer came; says why.

    >>> answer_of("sslcore.nothing", failing="Nothing could be asked")
    Traceback (most recent call last):
    ...
    sslcore.errors.LabelloomError: Nothing could be asked: ... Try again; `python -m sslcore doctor` helps.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *words],
            env=os.environ | {"PYTHONPATH": python_path(), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )
        if done.returncode == 0:
            return json.loads(done.stdout.splitlines()[-1])
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise LabelloomError(f"{failing}: {reason.rstrip('.')}. Try again; `python -m sslcore doctor` helps.")
