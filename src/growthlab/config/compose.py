"""From the words of a command line to one composed config; every mistake in them is one clear line."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from growthlab.config import hybrid_members, mistakes
from growthlab.config.conf_tree import CONF, choices, search_path
from growthlab.config.local_settings import LocalSettings, local_settings
from growthlab.config.model_settings import settings_words
from growthlab.config.own_files import LOCAL_SETTINGS, own_source, refuse_places_outside
from growthlab.config.part_words import chooses_part, missing_part, part_words
from growthlab.config.typed_words import as_typed, typed_mappings
from growthlab.core.errors import ConfigError
from growthlab.core.plain_values import plain_values

MODEL_WORD = re.compile(r"[+~]*(\w+@)?model[.=]")
SEARCH_RANGE = re.compile(r"(\+{0,2}search\.[^=]+=)(\w+\(.*\))")
RUN_ID = re.compile(r"((?:run|runs|rerun|warm|challenger|champion)=)([0-9a-f]{8,32})")
RUN_IDS = re.compile(r"runs=\[([0-9a-f]{8,32}(?:,[0-9a-f]{8,32})*)\]")
COMPOSED = 256  # configs that a process remembers

CHOSEN_FOR_ONE = {
    "section",
    "metrics",
    "search",
    "split",
}  # a command chooses where nobody else does
Versions = tuple[tuple[str, int, int], ...]  # path, nanoseconds, bytes


@dataclass(frozen=True)
class Command:
    """A command with its composed config, and the choice in each group (``data`` -> ``cdnow``).

    `words` are the words as typed, `overrides` those that were composed; `groups` are the config
    groups that the command reads. In a comparison, `model_words` are the words
    ``model.<setting>=...``, which apply to each model that has such a setting.
    """

    config: DictConfig
    chosen: dict[str, str]
    name: str = ""
    overrides: tuple[str, ...] = ()
    groups: frozenset[str] = frozenset()
    model_words: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def with_model(self, choice: str) -> Command:
        """The same command with another model, without metrics, which no model setting needs.

        Words override ``model_settings`` of an experiment, which override the model's own file.
        """
        skipped = ("metrics", "search", "model=")
        kept = [o for o in self.overrides if not o.startswith(skipped)]
        words = [*kept, f"model={choice}"]
        plain = _compose(self.name, words)
        model = plain.config.model
        parts = [
            w for w in self.model_words if "@" in w and mistakes.has_setting(model, _model_key(w))
        ]
        if parts:
            model = _compose(self.name, [*words, *parts]).config.model
        known = [
            w
            for w in self.model_words
            if w.startswith("+") or mistakes.has_setting(model, _model_key(w))
        ]
        settings = settings_words(self.config, choice.rpartition("/")[2], self.model_words)
        own = [*settings, *known]
        composed = _compose(self.name, [*words, *own]) if own else plain
        return replace(composed, model_words=tuple(known))

    def choice(self, group: str) -> str:
        """The last part of the choice in a group: ``item_knn`` for ``recommend/item_knn``."""
        return self.chosen.get(group, "").rpartition("/")[2]


def compose(command: str, overrides: Sequence[str]) -> Command:
    """The config of a command with the overrides applied.

    Defaults: all metrics of the task's family, the search space named as the model, the split that the
    data takes, and all sections of a report.

    Raises
    ------
    ConfigError
        An unknown key or choice, a value of the wrong form or type, or a missing value.
    """
    base, model_words = _base(command), list[str]()
    words = [*part_words([_quoted(as_typed(w)) for w in overrides], base.config)]
    words = [*local_settings().words(base.groups & CHOSEN_FOR_ONE, words), *words]
    for word in words:
        mistakes.refuse_hydra(mistakes.config_group_of(word))
    if _compares_models(base.config, words):
        model_words = [w for w in words if MODEL_WORD.match(w)]
        words = [w for w in words if w not in model_words]
        mistakes.refuse_one_model(model_words)
    if "section" in base.groups and not any(w.startswith("section=") for w in words):
        words = [f"section=[{','.join(choices('section'))}]", *words]
    if "task" in base.config:
        first = _compose(command, [w for w in words if _is_choice(w, base)])
        words = [
            *_metrics_words(first, words),
            *_search_words(first, words),
            *_split_words(first, base, words),
            *words,
        ]
    composed = _compose(command, words)
    mistakes.refuse_missing(composed.config)
    mistakes.refuse_wrong_types(composed.config, base.config)
    refuse_places_outside(composed.config, base.config, overrides)
    return replace(composed, model_words=tuple(model_words), words=tuple(overrides))


def compose_choice(word: str) -> DictConfig:
    """The config of ``growthlab train`` with one choice, and nothing that would follow from it.

    No metrics, search space or split are chosen: for whoever wants one part, a third of the work.
    """
    return _compose("train", [word]).config


def sweep(overrides: Sequence[str]) -> Iterator[list[str]]:
    """The grid of ``-m``: each combination of ``a=1,2`` and ``b=range(3)`` as plain overrides."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    axes = []
    for word in map(as_typed, overrides):
        try:
            parsed = OverridesParser.create().parse_override(word)
        except HydraException as error:
            raise ConfigError(mistakes.unreadable_word(word)) from error
        if parsed.is_sweep_override():
            key = parsed.get_key_element()
            axes.append([f"{key}={v}" for v in parsed.sweep_string_iterator()])
        else:
            axes.append([word])
    yield from (list(words) for words in itertools.product(*axes))


def search_space_named_as(model: str) -> DictConfig | None:
    """The search space with the name of the model, if there is one."""
    if model not in choices("search"):
        return None
    space: DictConfig = _compose("tune", [f"search={model}"]).config.search
    return space


def _quoted(word: str) -> str:
    """The word with quotes where Hydra would misread its value.

    It would read a search range as a grid of commands, and a run id such as ``12e45678`` as a number.
    """
    range_word, id_word = SEARCH_RANGE.fullmatch(word), RUN_ID.fullmatch(word)
    if (ids := RUN_IDS.fullmatch(word)) is not None:
        return f"runs=[{','.join(repr(run_id) for run_id in ids[1].split(','))}]"
    if id_word is not None:
        return f"{id_word[1]}'{id_word[2]}'"
    if range_word is None:
        return word
    key, text = range_word.groups()
    quote = '"' if "'" in text else "'"
    return f"{key}{quote}{text}{quote}"


def _compares_models(base: DictConfig, words: Sequence[str]) -> bool:
    """Whether a command works on several models, by default or by ``models=``."""
    models = [w.partition("=")[2] for w in words if w.startswith("models=")]
    return "models" in base and (models[-1] if models else base.models) not in (None, "null")


def _metrics_words(first: Command, words: Sequence[str]) -> list[str]:
    """The word that chooses all metrics of the task's family; none if metrics are named."""
    from growthlab.core.build import build
    from growthlab.tasks.base import Task

    if any(w.startswith("metrics=") for w in words):
        return []
    family = build(first.config.task, Task).metrics
    names = [c for c in choices("metrics") if c.startswith(f"{family}/")]
    return [f"metrics=[{','.join(names)}]"]


def _search_words(first: Command, words: Sequence[str]) -> list[str]:
    """The word that chooses the search space named as the model; none if one is chosen."""
    model = first.chosen.get("model", "")
    is_chosen = any(w.startswith("search=") for w in words)
    if "search" not in first.groups or is_chosen or model not in choices("search"):
        return []
    return [f"search={model}"]


def _split_words(first: Command, base: Command, words: Sequence[str]) -> list[str]:
    """The word that chooses the split that the data takes; none if a split is chosen already."""
    from growthlab.core.contract import class_of_ours, is_class_name
    from growthlab.data.source import DataSource

    split = first.chosen.get("split")
    is_chosen = any(w.startswith("split=") for w in words) or split != base.chosen.get("split")
    if split is None or is_chosen:
        return []
    target = first.config.data.get("_target_")
    source = class_of_ours(target, (DataSource,)) if is_class_name(target) else None
    named = None if source is None else source.default_split  # type: ignore[attr-defined]
    return [] if named is None else [f"split={named}"]


def _is_choice(word: str, base: Command) -> bool:
    """Whether a word chooses in a group whose choice the defaults of others depend on, or a class."""
    group = mistakes.config_group_of(word)
    return group in base.groups - {"metrics"} or group.endswith("._target_")


def _versions() -> Versions:
    """The config files that are not the package's own, each with its size and when it was written."""
    package, *own = search_path()
    files = [package / LOCAL_SETTINGS, *(path for root in own for path in root.rglob("*.yaml"))]
    states = [(path, path.stat()) for path in files if path.exists()]
    return tuple((str(path), state.st_mtime_ns, state.st_size) for path, state in states)


def _base(command: str) -> Command:
    """The command without any words."""
    return _composed_base(command, _versions())


@lru_cache
def _composed_base(command: str, versions: Versions) -> Command:
    """The command without any words; `versions` are the files that may be part of it."""
    try:
        base = _compose(command, [], plain=True)
    except ConfigError:
        raise
    except Exception as error:  # the package's own files compose: these are the local settings
        local = any(path.endswith(LOCAL_SETTINGS) for path, *_ in versions)
        where = f"conf/{LOCAL_SETTINGS}" if local else command
        raise ConfigError(f"{where}: {mistakes.short_hydra_message(error)}") from error
    try:
        mistakes.refuse_wrong_types(base.config, _without_local(command, versions).config)
    except ConfigError as error:
        raise ConfigError(f"conf/{LOCAL_SETTINGS}: {error}") from error
    more = {"metrics"} if "task" in base.config else set()
    return replace(base, groups=base.groups | more | _empty_groups(command))


def _empty_groups(command: str) -> set[str]:
    """The groups with an empty choice in the command's file, such as ``- section: []``."""
    own = OmegaConf.to_container(OmegaConf.load(CONF / f"{command}.yaml"))
    entries = own.get("defaults", []) if isinstance(own, dict) else []
    pairs = [pair for entry in entries if isinstance(entry, dict) for pair in entry.items()]
    return {str(group) for group, chosen in pairs if chosen == []}


def _compose(command: str, overrides: Sequence[str], *, plain: bool = False) -> Command:
    """The composed command, with the members of a hybrid model expanded to their configs."""
    member_words = [w for w in overrides if hybrid_members.MEMBER_WORD.match(w)]
    composed = _by_hydra(command, [w for w in overrides if w not in member_words], plain=plain)
    if "members" in (composed.config.get("model") or ()):
        choice = composed.chosen["model"]
        hybrid_members.expand_members(composed.config, choice, member_words, _model_node)
    elif member_words:
        return _by_hydra(command, overrides, plain=plain)  # raises the error
    return replace(composed, overrides=tuple(overrides))


def _model_node(choice: str) -> DictConfig:
    """The config node of a model."""
    model: DictConfig = _by_hydra("train", [f"model={choice}"]).config.model
    return model


@lru_cache
def _without_local(command: str, versions: Versions) -> Command:
    """The command without words and without the settings of one's own machine."""
    return _by_hydra(command, [], plain=True, with_local=False)


def _by_hydra(
    command: str, overrides: Sequence[str], *, plain: bool = False, with_local: bool = True
) -> Command:
    """Compose with Hydra; unless `plain`, its exceptions become a `ConfigError` of one line."""
    composed = _composed_once(command, tuple(overrides), plain, with_local, _versions())
    return replace(composed, config=deepcopy(composed.config), chosen=dict(composed.chosen))


@lru_cache(maxsize=COMPOSED)
def _composed_once(
    command: str, overrides: tuple[str, ...], plain: bool, with_local: bool, versions: Versions
) -> Command:
    """The composed command, remembered: Hydra takes a tenth of a second, and a comparison asks again.

    `versions` are the files that may be part of it.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException

    local = local_settings() if with_local else LocalSettings()
    own = None if local == LocalSettings() else _without_local(command, versions)
    choices_there = [] if own is None else local.words(own.groups, overrides)
    extra = [own_source(folder) for folder in search_path()[1:]]
    path = [f"hydra.searchpath=[{','.join(extra)}]"] if extra else []
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF.resolve()), version_base="1.3"):
        try:
            words = [*path, *choices_there, *overrides]
            config = compose(command, words, return_hydra_config=True)
        except ConfigError:
            raise
        except RecursionError as error:
            raise ConfigError("the config files name each other in their defaults lists") from error
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            if plain:
                raise
            raise ConfigError(_explanation(command, overrides, error)) from error
    choices_made = config.hydra.runtime.choices
    chosen = {str(k): v for k, v in choices_made.items() if isinstance(v, str)}
    read_groups = frozenset(str(k) for k in choices_made)
    OmegaConf.set_struct(config, False)
    del config["hydra"]
    for key, mapping in typed_mappings(overrides):
        OmegaConf.update(config, key, mapping)
    if own is not None:
        local.apply(config, own.config, overrides)
    OmegaConf.set_struct(config, True)
    mistakes.refuse_choices_outside(chosen)
    plain_values(config)  # raises for an interpolation
    mistakes.refuse_parts_without_settings(config, chosen)
    return Command(config, chosen, command, overrides, read_groups)


def _explanation(command: str, overrides: Sequence[str], error: Exception) -> str:
    """One line on which of the overrides is wrong, and what is possible."""
    base = _base(command)
    wrong = mistakes.mistake_in_choices(overrides, base.groups) or missing_part(overrides)
    if wrong:
        return wrong
    group_words = [
        w for w in overrides if mistakes.config_group_of(w) in base.groups or chooses_part(w)
    ]
    try:
        config = _compose(command, group_words, plain=True).config
        parts = [w for w in overrides if mistakes.chooses_inner_part(w, config)]
        config = _compose(command, [*group_words, *parts], plain=True).config
    except Exception:
        return mistakes.short_hydra_message(error)
    return mistakes.mistake_in_keys(overrides, config, base.groups) or mistakes.short_hydra_message(
        error
    )


def _model_key(word: str) -> str:
    """``neighbours`` for ``model.neighbours=5``."""
    return word.lstrip("~").partition("=")[0].partition(".")[2]
