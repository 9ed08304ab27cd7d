"""The test suite as another machine would run it: make test-portable.

A processor with AVX2 and nothing newer, one thread, the tests in random order, and four busy
processes beside them. Arguments go to pytest; ``--part`` runs `PART` alone, as CI does each time.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
OTHER_MACHINE = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "DNNL_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OMP_NUM_THREADS": "1",
}
N_BUSY = 4
SEED = "--randomly-seed="
# it ends by itself once the process that started it is gone, however that ended
BUSY = """
import os
while os.getppid() == {parent}:
    for _ in range(1_000_000):
        pass
"""
# what a processor, a clock or an order can change, one or two of each kind, for the plain run holds
# all: every network tells two groups apart, and one of them each of the rest; sums in chunks and rows
# side by side; the gate with its costs; what waits, is killed, or meets another process
GROUPS = "tests/models/test_contract.py::test_a_personalised_model_tells_two_groups_apart"
PART = (
    "tests/networks/test_losses.py",
    "tests/networks/test_rows_side_by_side.py",
    "tests/networks/test_sequence_networks.py::test_onnx_gives_the_same_for_every_shape[gru]",
    "tests/training/test_loop.py",
    "tests/training/test_processes.py::test_two_processes_learn_what_one_does[sasrec]",
    "tests/training/test_processes.py::test_a_killed_process_ends_the_others_and_the_fit_goes_on_after_its_last_epoch",
    *(f"{GROUPS}[{name}]" for name in ("caser", "gru4rec", "neumf", "nextitnet", "sasrec")),
    "tests/models/test_item_content.py::test_an_item_without_events_is_scored_by_its_content[gru4rec]",
    "tests/models/test_neural.py::test_fifty_users_can_be_learned_by_heart[caser]",
    "tests/models/test_neural.py::test_own_group_ranks_above_the_other[nextitnet]",
    "tests/bundle/test_batch_resumes.py::test_a_killed_batch_goes_on_and_ends_as_an_undisturbed_one[parquet]",
    "tests/core/test_owned_folder.py",
    "tests/cli/test_process.py",
    "tests/promotion/test_gate.py",
    "tests/registry/test_registry.py::test_of_two_processes_at_once_one_wins_and_the_other_gets_an_error",
    "tests/serving/test_another_task.py::test_it_is_served_once_it_arrives_while_the_service_runs",
    "tests/serving/test_http_limits.py",
    "tests/serving/test_list_exploration.py::test_a_log_without_exploration_is_refused",
    "tests/serving/test_request_limits.py::test_clients_that_hang_take_no_place_from_others",
    "tests/serving/test_request_limits.py::test_a_refusal_under_load_is_quick",
    "tests/serving/test_request_log.py",
    "tests/serving/test_self_test.py::test_a_network_that_does_not_end_is_killed",
    "tests/serving/test_self_test.py::test_a_service_that_stops_kills_a_test_in_progress",
    "tests/serving/test_service.py::test_serve_answers_until_it_is_stopped",
    "tests/serving/test_swap.py::test_a_new_champion_takes_over_without_a_dropped_request",
    "tests/serving/test_swap.py::test_requests_for_which_a_shadow_had_no_time_are_lines_of_the_log",
    "tests/tasks/test_run_comparison.py::test_usage_is_seconds_and_the_growth_of_memory",
    "tests/tracking/test_patient_sqlite.py",
)
# these wait too, and take minutes: only the whole suite runs them
TOO_LONG_FOR_PART = (
    "tests/cli/test_export.py",
    "tests/cluster",
    "tests/cli/test_interrupts.py",
    "tests/cli/test_promote.py",
    "tests/cli/test_tune.py",
    "tests/cli/test_tune_models.py",
    "tests/cli/test_tune_postgresql.py",
    "tests/house",
    "tests/pages/test_browser.py",
    "tests/registry/test_pyfunc.py",
    "tests/tracking/test_server.py",
)


@contextmanager
def busy_processes(n: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Keep `n` processes busy inside; none is left afterwards."""
    command = [sys.executable, "-c", BUSY.format(parent=os.getpid())]
    running = [subprocess.Popen(command) for _ in range(n)]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def main(arguments: Sequence[str]) -> int:
    """Run pytest beside the busy processes; its exit status."""
    options = list(arguments)
    if "--part" in options:
        options.remove("--part")
        options += PART
    given = [word for word in options if word.startswith(SEED)]
    seed = given[-1] if given else f"{SEED}{secrets.randbelow(2**32)}"
    variables = " ".join(f"{name}={value}" for name, value in OTHER_MACHINE.items())
    print(f"{variables}, {N_BUSY} busy processes; the same order again: {seed}", flush=True)
    command = [sys.executable, "-m", "pytest", "-p", "randomly", seed, *options]
    with busy_processes(N_BUSY):
        return subprocess.run(command, cwd=ROOT, env={**os.environ, **OTHER_MACHINE}).returncode


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the busy processes end too
    sys.exit(main(sys.argv[1:]))
