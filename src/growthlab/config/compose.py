"""Command-line words to one compose config; every mistake in them is one clear line."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from growthlab.config import members, mistakes
from growthlab.config.conf_tree import CONF, choices, search_path
from growthlab.core.errors import ConfigError

ABOUT_MODEL = re.compile(r"[+~]*(\w+@)?model[.=]")
RANGE = re.compile(r"(\+{0,2}search\.[^=]+=)(\w+\(.*\))")


@dataclass(frozen=True)
class Command:
    """A command's config, and what was chosen in each group (``data`` -> ``online_retail``).

    `given` are the words as they were typed, `overrides` those that were compose; `offered` are
    the groups of the command. Where it compares models, `of_models` are the words
    ``model.<setting>=...``: they hold for each model that has such a setting.
    """

    config: DictConfig
    chosen: dict[str, str]
    command: str = ""
    overrides: tuple[str, ...] = ()
    offered: frozenset[str] = frozenset()
    of_models: tuple[str, ...] = ()
    given: tuple[str, ...] = ()

    def with_model(self, choice: str) -> Command:
        """The same command with another model, and without metrics: they say nothing of models."""
        skipped = ("metrics", "search", "model=")
        kept = [o for o in self.overrides if not o.startswith(skipped)]
        words = [*kept, f"model={choice}"]
        model = _compose(self.command, words).config.model
        parts = [w for w in self.of_models if "@" in w and mistakes.knows(model, _inside(w))]
        if parts:
            model = _compose(self.command, [*words, *parts]).config.model
        own = [w for w in self.of_models if w.startswith("+") or mistakes.knows(model, _inside(w))]
        found = _compose(self.command, [*words, *own]) if own else _compose(self.command, words)
        return replace(found, of_models=tuple(own))

    def name(self, group: str) -> str:
        """The last part of the choice in a group: ``item_knn`` for ``recommend/item_knn``."""
        return self.chosen.get(group, "").rpartition("/")[2]


def compose(command: str, overrides: Sequence[str]) -> Command:
    """The config of a command with the overrides applied.

    Where the config has a task and no metrics are named, those of the task's family are added, all
    of them; where it has a search and none is named, the one named as the model; where it has
    sections of a report and none is named, all of them.

    Raises
    ------
    ConfigError
        An unknown key or choice, a value of a wrong form or type, or a value that is missing.
    """
    base, words, of_models = _base(command), [_as_text(w) for w in overrides], []
    if _is_of_models(base.config, words):
        of_models = [w for w in words if ABOUT_MODEL.match(w)]
        words = [w for w in words if w not in of_models]
        mistakes.refuse_one_model(of_models)
    if "section" in base.offered and not any(w.startswith("section=") for w in words):
        words = [f"section=[{','.join(choices('section'))}]", *words]
    if "task" in base.config:
        later = ("metrics", "search.")  # what is chosen by the task and the model
        first = _compose(command, [w for w in words if not w.lstrip("+~").startswith(later)])
        words = [*_metrics_of(first, words), *_search_of(first, words), *words]
    found = _compose(command, words)
    found = replace(found, of_models=tuple(of_models), given=tuple(overrides))
    mistakes.refuse_missing(found.config)
    mistakes.refuse_wrong_types(found.config, base.config)
    return found


def sweep(overrides: Sequence[str]) -> Iterator[list[str]]:
    """The grid of ``-m``: each combination of ``a=1,2`` or ``a=range(3)`` as plain overrides."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    axes = []
    for word in overrides:
        try:
            parsed = OverridesParser.create().parse_override(word)
        except HydraException as error:
            raise ConfigError(mistakes.unreadable(word)) from error
        if parsed.is_sweep_override():
            key = parsed.get_key_element()
            axes.append([f"{key}={v}" for v in parsed.sweep_string_iterator()])
        else:
            axes.append([word])
    yield from (list(words) for words in itertools.product(*axes))


def _as_text(word: str) -> str:
    """A range of a search as the text that it is there, not as a grid of commands."""
    found = RANGE.fullmatch(word)
    if found is None:
        return word
    key, text = found.groups()
    quote = '"' if "'" in text else "'"
    return f"{key}{quote}{text}{quote}"


def space_named_as(model: str) -> DictConfig | None:
    """The search space that is named as the model, if there is one."""
    if model not in choices("search"):
        return None
    space: DictConfig = _compose("tune", [f"search={model}"]).config.search
    return space


def _is_of_models(base: DictConfig, words: Sequence[str]) -> bool:
    """Whether a command works on several models, which it does by itself or by ``models=``."""
    given = [w.partition("=")[2] for w in words if w.startswith("models=")]
    return "models" in base and (given[-1] if given else base.models) not in (None, "null")


def _metrics_of(first: Command, words: Sequence[str]) -> list[str]:
    """All metrics of the chosen task's family, which its class says, unless some are named."""
    from growthlab.core.build import build

    if any(w.startswith("metrics=") for w in words):
        return []
    family = build(first.config.task).metrics
    named = [c for c in choices("metrics") if c.startswith(f"{family}/")]
    return [f"metrics=[{','.join(named)}]"]


def _search_of(first: Command, words: Sequence[str]) -> list[str]:
    """The search space that is named as the model, if there is one and none is chosen."""
    model = first.chosen.get("model", "")
    named = any(w.startswith("search=") for w in words)
    if "search" not in first.offered or named or model not in choices("search"):
        return []
    return [f"search={model}"]


@lru_cache
def _base(command: str) -> Command:
    """The config of a command without any words."""
    found = _compose(command, [], plain=True)
    more = {"metrics"} if "task" in found.config else set()
    return replace(found, offered=found.offered | more | _empty_groups(command))


def _empty_groups(command: str) -> set[str]:
    """The groups from which the command's own file chooses nothing: ``- section: []``."""
    own = OmegaConf.to_container(OmegaConf.load(CONF / f"{command}.yaml"))
    entries = own.get("defaults", []) if isinstance(own, dict) else []
    pairs = [pair for entry in entries if isinstance(entry, dict) for pair in entry.items()]
    return {str(group) for group, chosen in pairs if chosen == []}


def _compose(command: str, overrides: Sequence[str], *, plain: bool = False) -> Command:
    """The compose config; a model made of models holds the configs of its members."""
    of_members = [w for w in overrides if members.ABOUT_MEMBER.match(w)]
    found = _by_hydra(command, [w for w in overrides if w not in of_members], plain=plain)
    if "members" in (found.config.get("model") or ()):
        node_of = partial(_model_of, searched=tuple(search_path()))
        members.expand(found.config, found.chosen["model"], of_members, node_of)
    elif of_members:
        return _by_hydra(command, overrides, plain=plain)  # which says what is wrong
    return replace(found, overrides=tuple(overrides))


@lru_cache
def _model_of(choice: str, searched: tuple[Path, ...]) -> DictConfig:
    """The node of a model by itself, as the config trees `searched` have it."""
    model: DictConfig = _by_hydra("train", [f"model={choice}"]).config.model
    return model


def _by_hydra(command: str, overrides: Sequence[str], *, plain: bool = False) -> Command:
    """Hydra's compose, its exceptions turned into one line."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException

    extra = [str(p) for p in search_path()[1:]]
    path = [f"hydra.searchpath=[{','.join('file://' + p for p in extra)}]"] if extra else []
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF.resolve()), version_base="1.3"):
        try:
            config = compose(command, [*path, *overrides], return_hydra_config=True)
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            if plain:
                raise
            raise ConfigError(_explained(command, overrides, error)) from error
    offered = config.hydra.runtime.choices
    chosen = {str(k): v for k, v in offered.items() if isinstance(v, str)}
    groups = frozenset(str(k) for k in offered)
    OmegaConf.set_struct(config, False)
    del config["hydra"]
    OmegaConf.set_struct(config, True)
    return Command(config, chosen, command, tuple(overrides), groups)


def _explained(command: str, overrides: Sequence[str], error: Exception) -> str:
    """Which of the overrides is wrong, and what would be possible."""
    base = _base(command)
    wrong = mistakes.in_choices(overrides, base.offered)
    if wrong:
        return wrong
    chosen = [w for w in overrides if mistakes.group_of(w) in base.offered]
    try:
        config = _compose(command, chosen, plain=True).config
        parts = [w for w in overrides if mistakes.is_part(w, config)]
        config = _compose(command, [*chosen, *parts], plain=True).config
    except Exception:
        return mistakes.in_own_words(error)
    return mistakes.in_keys(overrides, config, base.offered) or mistakes.in_own_words(error)


def _inside(word: str) -> str:
    """``neighbours`` of ``model.neighbours=5``."""
    return word.lstrip("~").partition("=")[0].partition(".")[2]
