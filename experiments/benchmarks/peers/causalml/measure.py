"""causalml's side: BaseDRRegressor, which cross-fits in three folds of its own."""

from __future__ import annotations

import sys
from pathlib import Path

# at the end, as a folder there is called polars too
sys.path.append(str(Path(__file__).resolve().parents[1]))

import numpy as np
from causalml.inference.meta import BaseDRRegressor
from lightgbm import LGBMRegressor
from protocol import Experiment, Question, answer, cost_of

question = Question.asked()
experiment = Experiment.of(question)


def effects() -> np.ndarray:
    """Fitted, and predicted for everybody."""
    trees = LGBMRegressor(**question.trees, n_jobs=question.threads, verbosity=-1)
    model = BaseDRRegressor(learner=trees, control_name=0)
    half = np.full(question.rows, 0.5)
    treated = experiment.treated.astype(int)
    model.fit(experiment.features, treated, experiment.outcome, p=half, seed=0)
    return model.predict(experiment.features, p=half)


answer(cost_of(effects, experiment))
