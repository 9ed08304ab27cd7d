"""Loads bundles that have passed their self-test: nothing else is loaded into the service."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from growthlab.bundle.manifest import Manifest
from growthlab.bundle.signing import check_signature
from growthlab.core.errors import BundleError
from growthlab.serving.self_test_process import SelfTestProcess
from growthlab.serving.service_options import ServiceOptions

if TYPE_CHECKING:
    from growthlab.bundle.bundle import Bundle

MOST_BEGUN = 4  # tests at once at the start of a service
ATTEMPTS = 6  # to load a bundle while it is replaced
STEP_BACK = 10  # of a test beside a running service; see nice(2)
_passed: set[str] = set()  # digests of the manifests of bundles that passed in this process


class BundleLoader:
    """Loads the bundle in a folder once it has passed its self-test; see `SelfTestProcess`.

    A bundle with the same manifest, and so the same files, is tested once. `stop` may be called from
    another thread.
    """

    def __init__(self, options: ServiceOptions) -> None:
        self._seconds, self._megabytes = options.self_test_seconds, options.self_test_mb
        self._running: SelfTestProcess | None = None
        self._begun: dict[Path, SelfTestProcess] = {}
        self._lock = threading.Lock()
        self.is_stopped = False

    @contextmanager
    def begun(self, folders: Sequence[Path]) -> Iterator[None]:
        """In the block, in which the service is made, its first bundles are tested for `first` already.

        Raises
        ------
        BundleError
            One has no valid manifest, or a wrong signature.
        """
        try:
            for folder in folders[:MOST_BEGUN]:
                if self._needs_test(folder):
                    self._begun[folder.resolve()] = self._start(folder, nice=0, verify=False)
            yield
        except BaseException:
            self.stop()
            raise

    def first(self, folder: Path) -> Bundle:
        """The bundle at the start of a service, read while it is tested; no request waits meanwhile.

        Reading involves no library that trusts what it reads; it answers nothing before the test
        has passed.

        Raises
        ------
        BundleError
            The bundle is broken, or did not pass.
        """
        from growthlab.bundle.bundle import Bundle

        for _ in range(ATTEMPTS):
            with self._test(folder, nice=0, verify=False) as test:
                bundle = Bundle.load(folder)
                if self._is_same(bundle, test):
                    return bundle
        raise BundleError(f"{folder} changes all the time")

    def next(self, folder: Path) -> Bundle:
        """The bundle for a running service: nothing of it is read before it has passed; see `first`."""
        from growthlab.bundle.bundle import Bundle

        with self._test(folder, nice=STEP_BACK, verify=True) as test:
            tested = None if test is None else test.passed()
        bundle = Bundle.load(folder)
        if tested is not None and tested != bundle.manifest.digest:
            raise BundleError(f"{folder} was changed while it was tested")
        self._remember(bundle)
        return bundle

    def stop(self) -> None:
        """Kill the tests in progress, which then raise a `BundleError`, and start no other."""
        with self._lock:
            self.is_stopped = True
            if self._running is not None:
                self._running.kill()
            for begun in self._begun.values():
                begun.close()
            self._begun.clear()

    def _is_same(self, bundle: Bundle, test: SelfTestProcess | None) -> bool:
        """Whether the loaded bundle is the one that passed."""
        if test is not None and test.passed() != bundle.manifest.digest:
            return False
        self._remember(bundle)
        return True

    def _remember(self, bundle: Bundle) -> None:
        _passed.add(bundle.manifest.digest)

    @contextmanager
    def _test(self, folder: Path, nice: int, verify: bool) -> Iterator[SelfTestProcess | None]:
        """A test of the bundle in `folder`, ended with the block; None where it has passed before."""
        begun = self._begun.pop(folder.resolve(), None)
        if begun is None and not self._needs_test(folder):
            yield None
            return
        with self._lock:
            if self.is_stopped:
                raise BundleError("the service is stopping")
            self._running = begun or self._start(folder, nice, verify)
        try:
            yield self._running
        finally:
            with self._lock:
                self._running.close()
                self._running = None

    def _needs_test(self, folder: Path) -> bool:
        """Whether no bundle with this manifest has passed yet; BundleError for a wrong signature."""
        check_signature(folder)
        return Manifest.read(folder).digest not in _passed

    def _start(self, folder: Path, nice: int, verify: bool) -> SelfTestProcess:
        return SelfTestProcess(
            folder, seconds=self._seconds, megabytes=self._megabytes, nice=nice, verify=verify
        )
