"""Signals end work in order."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from growthlab.core import interrupts
from growthlab.core.interrupts import interruptible, raise_if_interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_raises_inside_and_all_is_as_before_outside(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt):
            raise_if_interrupted()
    assert signal.getsignal(number) is before


def test_the_second_signal_lets_the_first_be_written_down() -> None:
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_new_command_was_not_interrupted_yet() -> None:
    with interruptible():
        raise_if_interrupted()
    assert interrupts._n_signals == 0


def test_in_another_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    result = []

    def work() -> None:
        with interruptible():
            result.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert result == [before]
