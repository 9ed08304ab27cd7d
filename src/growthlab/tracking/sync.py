"""Send what commands could not send to a tracking server, each outbox for itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from growthlab.core.credentials import without_passwords
from growthlab.core.errors import ConfigError, one_line
from growthlab.tracking.outbox import left_outboxes, n_held_by_others
from growthlab.tracking.store import Store

LONGEST_REASON = 200  # characters


@dataclass
class SyncReport:
    """What was sent: calls, and the commands that they came from; `failed` if something stays here."""

    n_sent: int = 0
    n_outboxes: int = 0
    failed: bool = False
    remarks: list[str] = field(default_factory=list)


def sync(store: Store) -> SyncReport:
    """Send every outbox for the server of the store that no running process holds.

    One that the server refuses stays as it is, and the others are sent.

    Raises
    ------
    ConfigError
        The store is no tracking server, or cannot be opened.
    """
    if not store.is_server:
        raise ConfigError(
            f"{store.name} is no tracking server: what is written to it is there at once; name a server with "
            "tracking=server tracking.uri=http://..."
        )
    report = SyncReport()
    client = store.plain_client
    from growthlab.tracking.outbox_calls import send

    for box in left_outboxes(store.uri):
        before = box.n_waiting
        try:
            send(client, box)
            report.n_outboxes += 1
        except Exception as error:
            report.failed = True
            reason = without_passwords(one_line(error))[:LONGEST_REASON]
            report.remarks.append(f"{box.n_waiting} results stay in {box.folder}: {reason}")
        finally:
            report.n_sent += before - box.n_waiting
            box.release()
    n_held = n_held_by_others(store.uri)
    if n_held:
        report.remarks.append(f"{n_held} running commands send what they keep themselves")
    return report
