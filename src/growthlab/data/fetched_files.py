"""Files and folders at an address, such as ``s3://bucket/days/``, fetched with what fsspec knows."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from growthlab.core.errors import ConfigError, DataError, quoted

FILE_SCHEMES = ("s3", "gs", "abfs", "http", "https")
PATIENCE_SECONDS = 10


def fetch_files(address: str, folder: Path) -> Path:
    """A file at an address, or all files below one that ends in ``/``, copied into a folder.

    Names stay, and so do those of folders below the address. Credentials come from the environment, as the
    file systems read them (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``).

    Raises
    ------
    ConfigError
        A package is missing that this kind of address needs.
    DataError
        There is no such file, or it cannot be read.
    """
    try:
        system, place = _file_system(address)
        names = sorted(system.find(place)) if address.endswith("/") else [place]
        for name in names:
            below = PurePosixPath(name).relative_to(place) if address.endswith("/") else ""
            if ".." in PurePosixPath(below).parts:
                raise ValueError(f"the name {name} leads out of the folder")
            target = folder / (below or PurePosixPath(name).name)
            target.parent.mkdir(parents=True, exist_ok=True)
            system.get_file(name, str(target))
    except ImportError as error:
        raise ConfigError(f"{address} needs a package: {quoted(str(error), 200)}") from None
    except Exception as error:  # each file system has errors of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{address} cannot be read: {quoted(reason, 300)}") from None
    if not names:
        raise DataError(f"{address} cannot be read: there is no file below it")
    return folder if address.endswith("/") else folder / PurePosixPath(place).name


def _file_system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the place in it."""
    import fsspec

    parts = urlsplit(address)
    if parts.scheme != "s3":
        system, place = fsspec.core.url_to_fs(address)
        return system, str(place)
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow import fs

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region is None:
        region = "us-east-1" if endpoint else fs.resolve_s3_region(parts.netloc)
    s3 = fs.S3FileSystem(
        endpoint_override=endpoint,
        region=region,
        connect_timeout=PATIENCE_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=2),
    )
    return ArrowFSWrapper(s3), parts.netloc + parts.path
