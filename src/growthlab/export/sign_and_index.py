"""The last steps before a bundle is registered and served: its signature and its index of items."""

from __future__ import annotations

from pathlib import Path

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.signing import is_signed, sign
from growthlab.export.build_item_index import add_index


def sign_and_index(folder: Path, index_above: int) -> Bundle:
    """Sign and index the bundle in `folder`, in place.

    A bundle without a signature is signed where a signing key is set; a catalogue of more than
    `index_above` items gets an index.

    Raises
    ------
    BundleError
        The bundle is damaged, or signed with another key.
    """
    if not is_signed(folder):
        sign(folder)
    bundle = Bundle.load(folder)
    return Bundle.load(folder) if add_index(bundle, index_above) else bundle
