"""A run's bundle as it leaves the lab: signed, and with an index of its items if there are many."""

from __future__ import annotations

from pathlib import Path

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.signature import is_signed, sign
from growthlab.export.build_item_index import add_index


def sign_and_index(folder: Path, index_above: int) -> Bundle:
    """The bundle in `folder`, changed in place to what is registered and served.

    One that was written without a signature is signed where a signing key is set; a catalogue of
    more than `index_above` items gets an index of its items.

    Raises
    ------
    BundleError
        The bundle is damaged, or signed with another key.
    """
    if not is_signed(folder):
        sign(folder)
    bundle = Bundle.load(folder)
    return Bundle.load(folder) if add_index(bundle, index_above) else bundle
