"""``model_settings`` of a comparison: settings of single models, for experiment files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from growthlab.config.conf_tree import choices
from growthlab.core.errors import ConfigError, near_matches, quoted

RESOURCES = "model.resources."


def settings_words(config: DictConfig, model: str, model_words: Sequence[str] = ()) -> list[str]:
    """``model.trainer.epochs=8`` for each setting of the model that `model_words` do not give too."""
    plain = OmegaConf.to_container(config)
    assert isinstance(plain, dict)
    settings = flatten_settings((plain.get("model_settings") or {}).get(model) or {})
    given = {word.lstrip("+~").partition("=")[0] for word in model_words}
    words = {f"model.{k}": v for k, v in settings.items()}
    return [f"{_sign(k)}{k}={v}" for k, v in words.items() if k not in given]


def _sign(key: str) -> str:
    """What a fit is given stands in few models' files, so a word for it may add it."""
    return "++" if key.startswith(RESOURCES) else ""


def describe_settings(
    config: DictConfig, models: Iterable[str], experiment: str, model_words: Sequence[str] = ()
) -> str:
    """One line on which of the models have settings that are not their own; empty if none has."""
    models_by_settings: dict[str, list[str]] = {}
    for model in sorted(set(models)):
        words = [w for w in settings_words(config, model, model_words) if not w.startswith("++")]
        if words:  # without what a fit is given, by which no result changes
            text = " ".join(word.removeprefix("model.") for word in words)
            models_by_settings.setdefault(text, []).append(model)
    if not models_by_settings:
        return ""
    source = f"experiment={experiment}" if experiment else "model_settings"
    parts = (f"{text} for {', '.join(names)}" for text, names in models_by_settings.items())
    return f"settings of {source} in place of the models' own: {'; '.join(parts)}"


def refuse_unknown_models(config: DictConfig) -> None:
    """Raise a `ConfigError` for settings of a model that no task has, or that are no mapping."""
    known = {choice.rpartition("/")[2] for choice in choices("model")}
    for name, settings in (config.get("model_settings") or {}).items():
        if name not in known:
            raise ConfigError(f"model_settings.{name}: {near_matches(str(name), known)}")
        if settings is not None and not OmegaConf.is_dict(settings):
            value = quoted(str(settings))
            raise ConfigError(f"model_settings.{name}={value}: give settings, such as {{lr: 0.01}}")


def flatten_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Nested settings by their dotted keys, the values as they are typed in a command.

    >>> flatten_settings({"trainer": {"epochs": 8, "clip": None}, "dilations": [1, 2]})
    {'trainer.epochs': '8', 'trainer.clip': 'null', 'dilations': '[1, 2]'}
    """
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": text for inner, text in flatten_settings(value).items()}
        else:
            flat[key] = json.dumps(value)
    return flat
