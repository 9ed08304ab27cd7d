"""Signals end work in order."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from growthlab.core.interrupts import (
    interruptible,
    raise_if_interrupted,
    raise_if_kept,
    uninterrupted,
)


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


def test_a_signal_is_kept_until_the_end_of_the_outermost_block() -> None:
    done = []

    def work() -> None:
        with uninterrupted():
            with uninterrupted():
                os.kill(os.getpid(), signal.SIGINT)
                done.append("inner")
            done.append("outer")
        done.append("after")

    with interruptible(), pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["inner", "outer"]


def test_what_is_written_down_after_a_signal_is_written_whole() -> None:
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)  # the second
        with pytest.raises(KeyboardInterrupt), uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)


def test_a_block_that_waits_may_raise_the_signal_that_it_keeps() -> None:
    with interruptible(), uninterrupted():
        raise_if_kept()
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            raise_if_kept()
        raise_if_kept()


def test_work_after_an_interrupted_command_is_not_interrupted() -> None:
    with interruptible(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    raise_if_interrupted()  # as a comparison does that is called from Python


def test_a_signal_that_an_error_overtook_is_forgotten_too() -> None:
    def work() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            raise OSError("the store is gone")

    with interruptible(), pytest.raises(OSError, match="gone"):
        work()
    raise_if_kept()
    with uninterrupted():
        pass


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
