"""lifetimes' side: BetaGeoFitter with its defaults."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lifetimes import BetaGeoFitter
from protocol import Question, answer, bg_nbd_log_likelihood, customers, seconds_of

question = Question.asked()
who = customers(question)
BetaGeoFitter().fit(*(column[:1000] for column in who))
fitter = BetaGeoFitter()
_, fit_seconds = seconds_of(lambda: fitter.fit(*who))
expect = fitter.conditional_expected_number_of_purchases_up_to_time
found, predict_seconds = seconds_of(lambda: expect(question.horizon, *who))
parameters = [float(fitter.params_[name]) for name in ("r", "alpha", "a", "b")]
answer(
    {
        "fit_seconds": fit_seconds,
        "predict_seconds": predict_seconds,
        "log_likelihood": bg_nbd_log_likelihood(parameters, *who),
        "note": f"{parameters}, {found.sum():,.0f} purchases expected",
    }
)
