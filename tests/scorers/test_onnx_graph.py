"""Networks are let through only where they are such as our exporters write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from growthlab.core.errors import AnswerError, BundleError
from growthlab.scorers.onnx_graph import check_onnx_graph
from growthlab.scorers.onnx_session import run_graph, session_of

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
FLOAT, INT = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64

WEIGHTS = np.arange(6, dtype=np.float32).reshape(2, 3)


def network(
    *nodes: Any, weights: Any = None, output: str = "scores", inputs: str = "features"
) -> Any:
    """``scores = features @ weights`` unless other nodes are given."""
    nodes = nodes or (helper.make_node("MatMul", [inputs, "weights"], [output]),)
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(inputs, FLOAT, ["n", 2])],
        [helper.make_tensor_value_info(output, FLOAT, ["n", 3])],
        [numpy_helper.from_array(WEIGHTS, "weights") if weights is None else weights],
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])


def check(model: Any) -> None:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    check_onnx_graph(content, ("features", "steps"), "scores")


def body() -> Any:
    """The body of a loop."""
    values = [helper.make_tensor_value_info(n, t, []) for n, t in (("i", INT), ("on", 9))]
    nodes = [helper.make_node("Identity", ["on"], ["still"])]
    return helper.make_graph(nodes, "body", values, [helper.make_tensor_value_info("still", 9, [])])


def with_external_data() -> Any:
    tensor = numpy_helper.from_array(WEIGHTS, "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../../etc/passwd"
    return network(weights=tensor)


def with_function() -> Any:
    model = network()
    function = model.functions.add()
    function.name, function.domain = "f", ""
    return model


def with_weights(change: Callable[[Any], None]) -> Any:
    tensor = numpy_helper.from_array(WEIGHTS, "weights")
    change(tensor)
    return network(weights=tensor)


def nan_among(tensor: Any) -> None:
    tensor.raw_data = np.array([0, np.nan, 0, 0, 0, 0], dtype=np.float32).tobytes()


def nan_typed(tensor: Any) -> None:
    tensor.ClearField("raw_data")
    tensor.float_data.extend([0, float("inf"), 0, 0, 0, 0])


LOOP = helper.make_node("Loop", ["turns", "on"], ["scores"], body=body())
IF = helper.make_node("If", ["on"], ["scores"], then_branch=body(), else_branch=body())
HIDDEN = helper.make_node("Identity", ["features"], ["scores"], body=body())
CONSTANT = helper.make_node("Constant", [], ["scores"], value=numpy_helper.from_array(WEIGHTS))
CUSTOM = helper.make_node("MatMul", ["features", "weights"], ["scores"], domain="com.evil")


def test_a_plain_network_passes_and_answers() -> None:
    check(network())
    check(network(CONSTANT))
    session = session_of(network().SerializeToString())
    feeds = {"features": np.ones((4, 2), dtype=np.float32)}
    values = run_graph(session, "scores", feeds, (4, 3))
    assert values[0].tolist() == [3, 5, 7]  # 0 + 3, 1 + 4, 2 + 5
    with pytest.raises(AnswerError, match=r"the network answers float32 \(4, 3\)"):
        run_graph(session, "scores", feeds, (4, 1))
    with pytest.raises(AnswerError, match="what is not finite"):
        run_graph(session, "scores", {"features": feeds["features"] * np.nan}, (4, None))
    with pytest.raises(AnswerError, match="the network fails: "):
        run_graph(session, "scores", {"features": np.ones((4, 5), np.float32)}, (4, 3))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (network(LOOP), "has a graph or function inside"),
        (network(IF), "has a graph or function inside"),
        (network(HIDDEN), "has a graph or function inside"),
        (network(helper.make_node("Scan", ["features"], ["scores"])), "the operator 'Scan'"),
        (network(helper.make_node("Loop", ["features"], ["scores"])), "the operator 'Loop'"),
        (network(helper.make_node("RandomNormal", [], ["scores"], shape=[2])), "'RandomNormal'"),
        (network(CUSTOM), "operators of 'com.evil'"),
        (network(output="other"), "has the outputs other, expected scores"),
        (network(inputs="users"), "has the inputs users, possible: features, steps"),
        (with_external_data(), "a text, a part, or in another file"),
        (with_function(), "has functions or training steps"),
        (with_weights(nan_among), "a weight of the network is not finite"),
        (with_weights(nan_typed), "a weight of the network is not finite"),
        (with_weights(lambda t: t.dims.append(7)), "has another size than its shape"),
        (with_weights(lambda t: t.dims.extend([2**40, 2**40])), "has the shape"),
        (with_weights(lambda t: t.dims.extend([1] * 9)), "has 11 dimensions"),
        (with_weights(lambda t: t.dims.append(-1)), "has the shape"),
        (with_weights(lambda t: setattr(t, "data_type", 99)), "is of the type 99"),
        (with_weights(lambda t: setattr(t, "raw_data", b"")), "has another size than its shape"),
        (network(*[helper.make_node("Relu", ["features"], ["scores"])] * 5_001), "5,001 nodes"),
        (b"", "has 0 graphs"),
        (b"\xff" * 20, "a number does not end"),
        (b"\x3a\xff\xff\xff\x7f", "a field ends too late"),
        (b"\x38\x01", "a number in place of bytes"),
        (network().SerializeToString() * 2, "has 2 graphs"),
        (network().SerializeToString()[:-9], "ends too late|does not end|0 graphs"),
    ],
)  # fmt: skip
def test_others_are_refused_in_one_line(model: Any, message: str) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        check(model)
    assert "\n" not in str(caught.value)


def test_an_operator_domain_of_others_is_refused_where_it_is_imported() -> None:
    model = network()
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(BundleError, match=r"operators of 'com\.microsoft'"):
        check(model)
