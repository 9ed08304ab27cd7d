"""A run's bundle in the folder of the user: checked, signed, indexed, and swapped in as a whole."""

from __future__ import annotations

from pathlib import Path

from growthlab.bundle.manifest import MANIFEST, Manifest
from growthlab.core.atomic_write import swap_folder
from growthlab.core.errors import ExportError
from growthlab.core.owned_folder import owned_folder
from growthlab.export.sign_and_index import sign_and_index
from growthlab.tracking.store import Store
from growthlab.tracking.winner import download_bundle


def place_bundle(
    store: Store, run_id: str, folder: Path, index_above: int, *, overwrite: bool
) -> None:
    """Put the run's bundle into `folder`, see `sign_and_index`; nothing changes if it is broken.

    Raises
    ------
    ExportError
        The folder cannot be written, or without `overwrite` holds another bundle.
    BundleError
        The run's bundle is damaged.
    """
    try:
        with owned_folder(folder.parent, folder.name) as scratch:
            bundle = download_bundle(store, run_id, scratch)
            new = sign_and_index(bundle, index_above).manifest
            if folder.exists() and not overwrite and Manifest.read(folder).version != new.version:
                raise ExportError(_exists(folder))
            swap_folder(bundle, folder)
    except OSError as error:
        raise ExportError(f"to={folder} cannot be written ({error.strerror})") from error


def require_replaceable(folder: Path, run_id: str, *, overwrite: bool) -> None:
    """Refuse to overwrite anything but a bundle, and that of another run only when asked.

    Raises
    ------
    ExportError
        Something else is there, or without `overwrite` a bundle of another run.
    """
    if not folder.exists():
        return
    if not (folder / MANIFEST).is_file():
        raise ExportError(f"{folder} is no bundle and is not overwritten: give another to=...")
    if not overwrite and Manifest.read(folder).run_id != run_id:
        raise ExportError(_exists(folder))


def _exists(folder: Path) -> str:
    return f"{folder} exists already: give another to=..., or overwrite=true"
