"""growthlab init: a working folder with settings of one's own, and a notebook."""

from __future__ import annotations

from pathlib import Path

from growthlab.config.compose import Command
from growthlab.core.atomic_write import atomic_file
from growthlab.core.errors import ConfigError
from growthlab.workbench.working_folder import working_files


def run(command: Command) -> int:
    """Write the files that are not there yet, and say what to type next."""
    config = command.config
    folders = [Path(str(folder)) for folder in config.folders]
    if len(folders) > 1:
        raise ConfigError(
            f"init makes one folder, got {len(folders)}: {', '.join(map(str, folders))}"
        )
    folder = folders[0] if folders else Path()
    for name, text in working_files().items():
        path = folder / name
        if path.exists() and not config.overwrite:
            print(f"kept    {path}")
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as file:
                file.write(text.encode())
        except OSError as error:
            raise ConfigError(f"{path} cannot be written ({error.strerror})") from error
        print(f"written {path}")
    go = "" if folder == Path() else f"cd {folder}; "
    print(f"next: {go}growthlab compare   # or with your own file: growthlab inspect orders.csv")
    return 0
