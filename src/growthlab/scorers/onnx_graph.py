"""An ONNX file, checked before onnxruntime reads it: only what our exporters write is let through.

The format is protobuf's: a message is a row of fields, each a key (number and type of the field) and a
number or bytes. Only the fields that matter are looked into; see onnx.proto of the ONNX project.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from growthlab.core.array_schema import LARGEST
from growthlab.core.errors import BundleError

MOST_NODES = 5_000
MOST_ENTRIES = 2**28  # of a tensor
MOST_DIMENSIONS = 8
LARGEST_TYPED = 2**20  # bytes of whole numbers that are not stored as they lie in memory
MOST_FIELDS = 100_000  # of a message
VARINT, BITS_64, BYTES, BITS_32 = 0, 1, 2, 5
LONGEST_VARINT = 10
# What the exporter of torch writes for our networks, and what its other versions write for the same:
# arithmetic, shapes and indices. No loops, branches, sequences, texts or functions.
OPERATORS = frozenset((
    "Abs", "Add", "And", "ArgMax", "ArgMin", "Attention", "AveragePool", "BatchNormalization",
    "Cast", "CastLike", "Celu", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv", "Cos",
    "CumSum", "Div", "Dropout", "Einsum", "Elu", "Equal", "Erf", "Exp", "Expand", "Flatten",
    "Floor", "GRU", "Gather", "GatherElements", "GatherND", "Gelu", "Gemm", "GlobalAveragePool",
    "GlobalMaxPool", "Greater", "GreaterOrEqual", "GroupNormalization", "HardSigmoid",
    "HardSwish", "Identity", "InstanceNormalization", "IsInf", "IsNaN", "LSTM",
    "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "MatMul",
    "Max", "MaxPool", "Mean", "Min", "Mod", "Mul", "Neg", "NonZero", "Not", "OneHot", "Or",
    "PRelu", "Pad", "Pow", "RMSNormalization", "RNN", "Range", "Reciprocal", "ReduceL2",
    "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "Relu", "Reshape",
    "Round", "ScatterElements", "ScatterND", "Selu", "Shape", "Sigmoid", "Sign", "Sin", "Size",
    "Slice", "Softmax", "Softplus", "Softsign", "Split", "Sqrt", "Squeeze", "Sub", "Sum",
    "Swish", "Tanh", "Tile", "TopK", "Transpose", "Trilu", "Unsqueeze", "Where", "Xor",
))  # fmt: skip
DOMAINS = ("", "ai.onnx")
ELEMENT_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
FLOAT, DOUBLE = 1, 11  # element types


class Field(NamedTuple):
    """A field of a message: its number, and its bytes or number."""

    number: int
    content: memoryview | int


def check_onnx_graph(content: bytes, inputs: Sequence[str], output: str) -> None:
    """Check a network with some of these `inputs` and one `output`.

    Raises
    ------
    BundleError
        It is no such network, or has operators or parts that our exporters do not write: loops,
        functions, other domains, weights in other files; or a weight is not finite.
    """
    view = memoryview(content)
    graphs = []
    for field in _fields(view):
        if field.number == 7:
            graphs.append(_bytes(field))
        elif field.number == 8:  # opset_import
            _require_domain(_text(_bytes(field), 1))
        elif field.number in (20, 25):  # training_info, functions
            raise BundleError("the network has functions or training steps")
    if len(graphs) != 1:
        raise BundleError(f"the network has {len(graphs)} graphs, expected one")
    _check_graph(graphs[0], inputs, output)


def _check_graph(graph: memoryview, inputs: Sequence[str], output: str) -> None:
    n_nodes = 0
    names: dict[int, list[str]] = {11: [], 12: []}
    weights: set[str] = set()
    for field in _fields(graph):
        if field.number == 1:
            n_nodes += 1
            _check_node(_bytes(field))
        elif field.number == 5:
            weights.add(_text(_bytes(field), 8))
            _check_tensor(_bytes(field))
        elif field.number in names:
            names[field.number].append(_text(_bytes(field), 1))
        elif field.number == 15:
            raise BundleError("the network has a sparse weight")
    if n_nodes > MOST_NODES:
        raise BundleError(f"the network has {n_nodes:,} nodes, more than {MOST_NODES:,}")
    read = [name for name in names[11] if name not in weights]
    if not read or len(set(read)) < len(read) or not set(read) <= set(inputs):
        raise BundleError(f"the network has the inputs {_shown(read)}, possible: {_shown(inputs)}")
    if names[12] != [output]:
        raise BundleError(f"the network has the outputs {_shown(names[12])}, expected {output}")


def _check_node(node: memoryview) -> None:
    """Refuse an operator of another kind, and one with a graph inside."""
    kind = domain = ""
    for field in _fields(node):
        if field.number == 4:
            kind = _decoded(_bytes(field))
        elif field.number == 7:
            domain = _decoded(_bytes(field))
        elif field.number == 5:
            _check_attribute(_bytes(field))
    _require_domain(domain)
    if kind not in OPERATORS:
        raise BundleError(f"the network has the operator {kind[:40]!r}, which is not allowed")


def _check_attribute(attribute: memoryview) -> None:
    for field in _fields(attribute):
        if field.number in (6, 11, 21, 22, 23):  # graphs, references, sparse tensors
            raise BundleError("an operator of the network has a graph or function inside")
        if field.number in (5, 10):  # tensors
            _check_tensor(_bytes(field))


def _check_tensor(tensor: memoryview) -> None:
    """Refuse a weight that lies elsewhere, has another size than it says, or is not finite."""
    dims: list[int] = []
    kind, raw, n_typed = 0, None, 0
    typed: list[np.ndarray] = []
    for field in _fields(tensor):
        if field.number == 1:
            dims += _varints(field)
        elif field.number == 2 and isinstance(field.content, int):
            kind = field.content
        elif field.number in (4, 10):
            typed.append(_floats(field))
            n_typed += len(typed[-1])
        elif field.number in (5, 7, 11):
            n_typed += len(_varints(field))
        elif field.number == 9:
            raw = _bytes(field)
        elif field.number in (3, 6, 13) or (field.number == 14 and field.content != 0):
            raise BundleError("a weight of the network is a text, a part, or in another file")
    n = 1
    if len(dims) > MOST_DIMENSIONS:
        raise BundleError(f"a weight of the network has {len(dims)} dimensions")
    for dim in dims:
        n *= dim
        if dim < 0 or n > MOST_ENTRIES:
            raise BundleError(f"a weight of the network has the shape {dims[:8]}")
    if kind not in ELEMENT_BYTES:
        raise BundleError(f"a weight of the network is of the type {kind}")
    if (n_typed if raw is None else len(raw)) != (n if raw is None else n * ELEMENT_BYTES[kind]):
        raise BundleError(f"a weight of the network has another size than its shape {dims[:8]}")
    if raw is not None and kind in (FLOAT, DOUBLE):
        typed.append(np.frombuffer(raw, dtype="<f4" if kind == FLOAT else "<f8"))
    for values in typed:
        # torch writes masks as minus infinity or the lowest number
        if values.size and not (np.nanmax(values) <= LARGEST and not np.isnan(values.min())):
            raise BundleError("a weight of the network is not finite")


def _require_domain(domain: str) -> None:
    if domain not in DOMAINS:
        raise BundleError(f"the network has operators of {domain[:40]!r}, which are not allowed")


def _fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message, in their order."""
    place = n_fields = 0
    while place < len(message):
        n_fields += 1
        if n_fields > MOST_FIELDS:
            raise BundleError(f"the network has a part of more than {MOST_FIELDS:,} fields")
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, place = _varint(message, place)
            yield Field(number, value)
            continue
        size = {BITS_64: 8, BITS_32: 4}.get(kind, -1)
        if kind == BYTES:
            size, place = _varint(message, place)
        if size < 0 or size > len(message) - place or not number:
            raise BundleError("the network cannot be read: a field ends too late")
        yield Field(number, message[place : place + size])
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """A number in groups of seven bits, and the place behind it."""
    value = 0
    for group in range(LONGEST_VARINT):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << (7 * group)
        if byte < 0x80:
            return value, place
    raise BundleError("the network cannot be read: a number does not end")


def _varints(field: Field) -> list[int]:
    """The numbers of a repeated field, packed or not; negative ones as they are."""
    if not isinstance(field.content, int) and len(field.content) > LARGEST_TYPED:
        raise BundleError("a weight of the network is stored in a form that exporters do not write")
    if isinstance(field.content, int):
        values = [field.content]
    else:
        values, place = [], 0
        while place < len(field.content):
            value, place = _varint(field.content, place)
            values.append(value)
    return [value - 2**64 if value >= 2**63 else value for value in values]


def _floats(field: Field) -> np.ndarray:
    content = _bytes(field)
    kind = "<f4" if field.number == 4 else "<f8"
    if len(content) % np.dtype(kind).itemsize:
        raise BundleError("the network cannot be read: numbers of another size")
    return np.frombuffer(content, dtype=kind)


def _bytes(field: Field) -> memoryview:
    if isinstance(field.content, int):
        raise BundleError("the network cannot be read: a number in place of bytes")
    return field.content


def _text(message: memoryview, number: int) -> str:
    """The last text field of that number; empty where there is none."""
    texts = [_decoded(_bytes(field)) for field in _fields(message) if field.number == number]
    return texts[-1] if texts else ""


def _decoded(content: memoryview) -> str:
    return bytes(content[:1000]).decode(errors="replace")


def _shown(names: Sequence[str]) -> str:
    return ", ".join(name[:40] for name in names[:5]) or "none"
