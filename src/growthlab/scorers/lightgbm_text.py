"""LightGBM's text format, checked before the library reads it: the library believes every number in it.

A length that is off, an index out of range or children in a circle would end the process, or keep it
busy for ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from growthlab.core.array_schema import LARGEST
from growthlab.core.errors import BundleError

LARGEST_TEXT = 64 * 2**20  # characters
MOST_TREES = 10_000
MOST_LEAVES = 1_000_000  # of all trees
MOST_CATEGORIES = 65_536  # of a column that is split by its categories
VERSIONS = ("v3", "v4")
OBJECTIVES = (
    "binary", "cross_entropy", "cross_entropy_lambda", "fair", "gamma", "huber", "lambdarank",
    "mape", "poisson", "quantile", "rank_xendcg", "regression", "regression_l1", "tweedie",
)  # fmt: skip
HEADER = (
    "version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective",
    "feature_names", "feature_infos", "tree_sizes",
)  # fmt: skip
CATEGORICAL = 1  # bit of a decision's type; 2: left where missing; 4, 8: what counts as missing
LAST_DECISION = 11
WORD = 32  # categories in a number of cat_threshold
NUMBERS = re.compile(r"(?:-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?(?: |\Z))*")
# infinite where a split parts only missing values from the others
THRESHOLDS = re.compile(r"(?:-?(?:inf|[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?)(?: |\Z))*")
WHOLE_NUMBERS = re.compile(r"[-0-9 ]*")
SETTING = re.compile(r"[a-z_]+(:[0-9.eE+-]{1,30})?")
INFO = re.compile(r"none|\[[-+0-9.e]+:[-+0-9.e]+\]|-?[0-9]+(:-?[0-9]+)*")
AVERAGED = "average_output\n"  # of a forest: a line without a value
END = "end of trees\n"

Lines = Mapping[str, str]


def checked_tree_text(content: bytes, n_features: int) -> str:
    """The trees in `content`, without what follows them: settings of the fit and importances.

    Raises
    ------
    BundleError
        It is no model of one output over `n_features` columns, is too large, or a tree is none.
    """
    if len(content) > LARGEST_TEXT:
        raise BundleError(f"the trees have {len(content):,} bytes, more than {LARGEST_TEXT:,}")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError("the trees are no text") from error
    n_trees = text.count("\nTree=")
    if n_trees > MOST_TREES:
        raise BundleError(f"there are {n_trees:,} trees, more than {MOST_TREES:,}")
    start, end = text.find("Tree="), text.find(END)
    if not 0 < start < end or text[start - 1] != "\n":
        raise BundleError("the trees have no beginning or no end")
    sizes = _check_header(text[:start], n_features)
    if len(sizes) != n_trees:
        raise BundleError(f"tree_sizes has {len(sizes):,} numbers, and there are {n_trees:,} trees")
    n_leaves = 0
    try:
        for number, lines in enumerate(_trees(text[start:end], sizes)):
            n_leaves += _check_tree(lines, number, n_features)
            if n_leaves > MOST_LEAVES:
                raise BundleError(f"the trees have more than {MOST_LEAVES:,} leaves")
    except (ValueError, OverflowError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"a tree cannot be read: {error}") from error
    return text[: end + len(END)]


def _check_header(text: str, n_features: int) -> list[int]:
    """Check what stands before the trees; the length of each tree's text."""
    first, _, rest = text.partition("\n")
    header = _lines(rest.replace(AVERAGED, "", 1), "the head of the trees")
    if "monotone_constraints" in header:
        _whole(header, "monotone_constraints", n_features, -1, 1)
        del header["monotone_constraints"]
    if first != "tree" or set(header) != set(HEADER):
        missing = sorted(set(HEADER) ^ set(header))
        raise BundleError(
            f"the head of the trees has no or an unknown {missing[:1] or first[:20]!r}"
        )
    expected = {"num_class": "1", "num_tree_per_iteration": "1"}
    expected["max_feature_idx"] = str(n_features - 1)
    for name, value in expected.items():
        if header[name] != value:
            raise BundleError(f"the trees have {name}={header[name][:20]}, expected {value}")
    if header["version"] not in VERSIONS:
        raise BundleError(f"the trees have the version {header['version'][:20]!r}")
    objective, *settings = header["objective"].split(" ")
    if objective not in OBJECTIVES or not all(SETTING.fullmatch(each) for each in settings):
        raise BundleError(f"the trees have the objective {header['objective'][:40]!r}")
    if any(float(each.partition(":")[2] or 1) <= 0 for each in settings):
        raise BundleError(f"the trees have the objective {header['objective'][:40]!r}")
    infos = header["feature_infos"].split(" ")
    if len(header["feature_names"].split(" ")) != n_features or len(infos) != n_features:
        raise BundleError(f"the trees are not of {n_features:,} columns")
    if not all(INFO.fullmatch(info) for info in infos):
        raise BundleError("feature_infos of the trees cannot be read")
    return _whole(header, "tree_sizes", None, 1, LARGEST_TEXT).tolist()


def _trees(text: str, sizes: Sequence[int]) -> Iterator[Lines]:
    """The lines of each tree, which is as long as the head says."""
    place = 0
    for number, size in enumerate(sizes):
        own = text[place : place + size]
        beginning = f"Tree={number}\n"
        if not own.startswith(beginning) or not own.endswith("\n\n"):
            raise BundleError(f"tree {number} is not where the head of the trees says")
        yield _lines(own[len(beginning) :], f"tree {number}")
        place += size
    if text[place:].strip("\n"):
        raise BundleError("something stands between the last tree and the end of the trees")


def _lines(text: str, where: str) -> dict[str, str]:
    """``name=value`` lines by name."""
    lines: dict[str, str] = {}
    for line in text.rstrip("\n").split("\n"):
        name, equals, value = line.partition("=")
        if not equals or name in lines:
            raise BundleError(f"{where} has the line {line[:40]!r}")
        lines[name] = value
    return lines


def _check_tree(lines: Lines, number: int, n_features: int) -> int:
    """Check one tree; its leaves."""
    try:
        return _leaves_of(lines, n_features)
    except BundleError as error:
        raise BundleError(f"tree {number}: {error}") from error


def _leaves_of(lines: Lines, n_features: int) -> int:
    n_leaves = int(_whole(lines, "num_leaves", 1, 1, MOST_LEAVES)[0])
    n_cat = int(_whole(lines, "num_cat", 1, 0, MOST_LEAVES)[0])
    n_nodes = n_leaves - 1
    read = {"num_leaves", "num_cat", "leaf_value", "shrinkage"}
    for name, n in (("leaf_value", n_leaves), ("shrinkage", 1)):
        _numbers(lines, name, n, LARGEST)
    for name, n in (
        ("leaf_weight", n_leaves), ("leaf_count", n_leaves), ("split_gain", n_nodes),
        ("internal_value", n_nodes), ("internal_weight", n_nodes), ("internal_count", n_nodes),
    ):  # fmt: skip
        if name in lines:  # not used to predict, but read: empty, or one number for each
            _numbers(lines, name, n if lines[name] else 0, np.inf)
            read.add(name)
    if "is_linear" in lines:
        read |= {"is_linear", *_check_linear_leaves(lines, n_leaves, n_features)}
    _whole(lines, "split_feature", n_nodes, 0, n_features - 1)
    kinds = _whole(lines, "decision_type", n_nodes, 0, LAST_DECISION)
    thresholds = _numbers(lines, "threshold", n_nodes, np.inf, THRESHOLDS)
    _check_children(lines, n_leaves)
    read |= {"split_feature", "decision_type", "threshold", "left_child", "right_child"}
    by_category = thresholds[kinds & CATEGORICAL > 0]
    if n_cat:
        ends = _whole(lines, "cat_boundaries", n_cat + 1, 0, MOST_LEAVES)
        _whole(lines, "cat_threshold", int(ends[-1]), 0, 2**WORD - 1)
        read |= {"cat_boundaries", "cat_threshold"}
        n_words = np.diff(ends)
        if ends[0] != 0 or n_words.min() < 0 or n_words.max() * WORD > MOST_CATEGORIES:
            raise BundleError("cat_boundaries are no boundaries")
    if not np.isin(by_category, np.arange(n_cat)).all():
        raise BundleError("a threshold names a set of categories that is not there")
    if unknown := sorted(set(lines) - read):
        raise BundleError(f"it has {unknown[0][:40]!r}")
    return n_leaves


def _check_linear_leaves(lines: Lines, n_leaves: int, n_features: int) -> tuple[str, ...]:
    """Check the lines of a tree whose leaves are linear models; the names of these lines."""
    if not _whole(lines, "is_linear", 1, 0, 1)[0]:
        return ()
    _numbers(lines, "leaf_const", n_leaves, LARGEST)
    n_values = int(_whole(lines, "num_features", n_leaves, 0, n_features).sum())
    joined = dict(lines)
    for name in ("leaf_features", "leaf_coeff"):  # leaves are set apart by further blanks
        joined[name] = " ".join(lines.get(name, "").split())
    _whole(joined, "leaf_features", n_values, 0, n_features - 1)
    _numbers(joined, "leaf_coeff", n_values, LARGEST)
    return ("leaf_const", "num_features", "leaf_features", "leaf_coeff")


def _check_children(lines: Lines, n_leaves: int) -> None:
    """Every node but the first, and every leaf, is the child of one earlier node: so it is a tree."""
    n_nodes = n_leaves - 1
    sides = [
        _whole(lines, f"{s}_child", n_nodes, -n_leaves, n_nodes - 1) for s in ("left", "right")
    ]
    for children in sides:
        if (children[children >= 0] <= np.flatnonzero(children >= 0)).any():
            raise BundleError("its nodes go in a circle")
    children = np.concatenate(sides)
    if n_nodes and not np.array_equal(
        np.sort(children), np.delete(np.arange(-n_leaves, n_nodes), n_leaves)
    ):
        raise BundleError("a node or leaf has no parent, or two")


def _whole(lines: Lines, name: str, n: int | None, low: int, high: int) -> np.ndarray:
    """Whole numbers of a line, `n` of them (None: any number), all in `low` ... `high`."""
    words = _words(lines, name, n, WHOLE_NUMBERS)
    values = np.array([int(word) for word in words], dtype=np.int64)
    if len(values) and not (values.min() >= low and values.max() <= high):
        raise BundleError(f"{name} must lie in {low} ... {high}")
    return values


def _numbers(
    lines: Lines, name: str, n: int, most: float, form: re.Pattern[str] = NUMBERS
) -> np.ndarray:
    """Numbers of a line, `n` of them, none beyond `most`."""
    words = _words(lines, name, n, form)
    values = np.array([float(word) for word in words], dtype=np.float64)
    beyond = ~(np.abs(values) <= most) | (np.isinf(values) & ~np.isin(words, ("inf", "-inf")))
    if beyond.any():
        raise BundleError(f"{name} must be finite")
    return values


def _words(lines: Lines, name: str, n: int | None, form: re.Pattern[str]) -> list[str]:
    if name not in lines:
        raise BundleError(f"it has no {name}")
    words = lines[name].split(" ") if lines[name] else []
    if n is not None and len(words) != n:
        raise BundleError(f"{name} has {len(words):,} numbers, expected {n:,}")
    if not form.fullmatch(lines[name]):
        raise BundleError(f"{name} holds what is no finite number")
    return words
