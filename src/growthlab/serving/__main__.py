"""The service without the laboratory: ``growthlab serve bundle=bundles`` where Hydra is not installed.

The settings are the same; JSON values are understood. A container that needs no command line starts
it as ``python -m growthlab.serving``.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from typing import Any

from growthlab.core.errors import ConfigError, GrowthlabError, one_line
from growthlab.core.visible_text import visible_text
from growthlab.serving.run import serve
from growthlab.serving.service_options import ServiceOptions


def main(words: Sequence[str]) -> int:
    """Serve until interrupted; 2: a mistake in the words or the bundle."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("growthlab").setLevel(logging.INFO)
    try:
        serve(ServiceOptions.of(settings_of(words)))
    except GrowthlabError as error:
        sys.stderr.write(f"growthlab: {visible_text(one_line(error))}\n")
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


def settings_of(words: Sequence[str]) -> dict[str, Any]:
    """The settings in words such as ``port=8000`` and ``rules.in_stock=true``.

    Raises
    ------
    ConfigError
        A word that is no ``key=value``, or a key below one that has a value.
    """
    settings: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.lstrip("+").partition("=")
        if not key or not equals:
            raise ConfigError(f"cannot read {word!r}: settings have the form key=value")
        node = settings
        *path, last = key.split(".")
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise ConfigError(f"cannot read {word!r}: {part} has a value already")
        node[last] = _value(text)
    return settings


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
