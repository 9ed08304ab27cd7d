"""A search from its first trial to its last, in this process or in several."""

from __future__ import annotations

import logging

from growthlab.core.progress import bar
from growthlab.search.model_search import ModelSearch
from growthlab.search.study import Finished
from growthlab.search.workers import run_workers

log = logging.getLogger(__name__)


def run_search(search: ModelSearch) -> Finished | None:
    """Search until the budget is used up; the best trial within the limits, None if none succeeded."""
    loop, recorder = search.loop(), search.recorder
    try:
        before = search.study.n_used()
        if before:
            log.info("study %s: %d trials were made before", search.name, before)
        with bar(search.name, search.config.budget.trials) as tell:
            loop.on_change = lambda: tell(*_standing(search))
            loop.on_change()
            recorder.mend()
            if search.config.n_jobs > 1:
                run_workers(search, loop.on_change)
            else:
                loop.run()
        log.info("study %s: %s", search.name, search.study.ending)
        best = search.best()
    except BaseException as error:
        recorder.mend()  # what workers left open
        recorder.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    recorder.close("FINISHED" if best else "FAILED", best)
    if best is None:
        search.raise_if_a_mistake(loop)
    return best


def _standing(search: ModelSearch) -> tuple[int, str]:
    """How many trials are done, the best so far and the time left."""
    finished = search.study.finished()
    values = [t.result.values[0] for t in finished if t.result.state == "complete"]
    pick = max if search.study.maximise[0] else min
    notes = [f"best {pick(values):.4f}"] if values else []
    budget, used = search.study.budget, search.study.seconds_used()
    left = [60 * budget.minutes - used] if budget.minutes else []
    if finished:
        left.append(used / len(finished) * (budget.trials - len(finished)))
    if left:
        seconds = max(0, int(min(left)))
        notes.append(f"{seconds // 60}:{seconds % 60:02d} left")
    return len(finished), ", ".join(notes)
