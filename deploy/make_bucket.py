"""Make the bucket of a storage that has just started: python make_bucket.py NAME."""

from __future__ import annotations

import os
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

LONGEST_START = 180.0  # seconds


def make_bucket(name: str, endpoint: str, keys: dict[str, str] | None = None) -> bool:
    """Whether the storage takes files; the bucket is made where it is missing."""
    patience = Config(connect_timeout=2, read_timeout=10, retries={"max_attempts": 1})
    s3 = boto3.client("s3", endpoint_url=endpoint, config=patience, **(keys or {}))
    try:
        if name not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
            s3.create_bucket(Bucket=name)
        s3.put_object(Bucket=name, Key="started", Body=b"")
    except (BotoCoreError, ClientError):
        return False
    return True


if __name__ == "__main__":
    end = time.monotonic() + LONGEST_START
    while not make_bucket(sys.argv[1], os.environ["MLFLOW_S3_ENDPOINT_URL"]):
        if time.monotonic() > end:
            sys.exit("the storage does not answer")
        time.sleep(0.5)
