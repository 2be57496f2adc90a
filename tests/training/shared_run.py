"""A supervised run on toys without noise in the views, as one of several processes or alone; for test_fleet.

``python -m tests.training.shared_run OUT STEPS METHOD`` prints nothing; the first process writes losses.
"""

import json
import sys
from pathlib import Path

from sslcore.augment.feature import FeatureViews
from sslcore.training.run import train
from tests.training.toys import Remember, blobs, recipe


def main(out, steps, method):
    FeatureViews.weak_noise = FeatureViews.strong_noise = FeatureViews.strong_drop = 0.0
    told = Remember()
    settings = recipe(method, steps=steps, evaluate_every_s=0.0, method_config={})
    result = train(settings, blobs(), told, folder=Path(out) / "run")
    if result.proba:
        losses = [(step, value) for step, name, value, _ in told.rows if name == "loss"]
        first = result.proba["label"][:5].tolist()
        Path(out, "told.json").write_text(json.dumps({"losses": losses, "proba": first, "notes": told.notes}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
