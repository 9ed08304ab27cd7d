"""The passwords of a tracking server: made at its first start, in files that their owner alone reads."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

CREDENTIALS, AUTH = "credentials.env", "auth.ini"
USER = "admin"


def credentials(folder: Path) -> dict[str, str]:
    """The passwords of a server, made at the first call and kept in a file that its owner alone reads."""
    path = folder / CREDENTIALS
    if not path.exists():
        names = (
            "POSTGRES_PASSWORD",
            "MLFLOW_AUTH_ADMIN_PASSWORD",
            "MLFLOW_FLASK_SERVER_SECRET_KEY",
        )
        made = {name: secrets.token_hex(24) for name in names}
        made |= {
            "AWS_ACCESS_KEY_ID": secrets.token_hex(10),
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(24),
        }
        for door in ("", "FILER_"):  # between the parts of the storage
            for kind in ("SIGNING_KEY", "SIGNING_READ_KEY"):
                made[f"WEED_JWT_{door}{kind}"] = secrets.token_hex(24)
        write_private(path, "".join(f"{name}={text}\n" for name, text in made.items()))
    lines = [line.partition("=") for line in path.read_text().splitlines() if "=" in line]
    return {name: text for name, _, text in lines}


def write_auth(folder: Path, database: str) -> None:
    """The settings of MLflow's users, who are kept in the same database as the runs."""
    lines = ["[mlflow]", "default_permission = EDIT", f"database_uri = {database}"]
    lines += [f"admin_username = {USER}", "grant_default_workspace_access = true"]
    lines += ["auth_cache_ttl_seconds = 60", ""]
    lines += ["authorization_function = mlflow.server.auth:authenticate_request_basic_auth", ""]
    write_private(folder / AUTH, "\n".join(lines))


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone reads, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)
