"""Makes the goldens of dequantizing: small models as onnxruntime.quantization leaves them, and float answers.

Needs onnx==1.23.2, onnxruntime==1.32.0, numpy. Run from anywhere:

    python tests/reference/quantized.py      # writes tests/reference/quantized/cases.txt

An answer is the float source's, run in ONNX Runtime with its weights rounded as the quantized file has them: that is
what a model turned back must give, but for the order of additions. Each is also held against the plain float source's.
MatMulNBits computes in float itself and answers for itself.
"""

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

OUT = Path(__file__).parent / "quantized"
INPUT = [1, 2, 6, 6]
N = helper.make_node


def model(nodes, shape, weights):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    made.graph.output[0].CopyFrom(onnx.shape_inference.infer_shapes(made).graph.output[0])
    return made


def network():
    """Relu and Clip, which the quantizer takes out, SiLU, a Concat of unlike ranges, pooling and products."""
    rng = np.random.default_rng(7)
    normal = lambda *shape: (rng.standard_normal(shape) * 0.5).astype(np.float32)
    nodes = [
        N("Conv", ["x", "w1", "b1"], ["c1"], name="c1", pads=[1, 1, 1, 1]),
        N("Relu", ["c1"], ["r1"], name="r1"),
        N("Conv", ["r1", "w2", "b2"], ["c2"], name="c2", group=2),
        N("Sigmoid", ["c2"], ["s2"], name="s2"),
        N("Mul", ["c2", "s2"], ["m2"], name="m2"),
        N("Conv", ["m2", "w3"], ["c3"], name="c3"),
        N("LeakyRelu", ["c3"], ["l3"], name="l3", alpha=0.1),
        N("Add", ["l3", "m2"], ["a3"], name="a3"),
        N("Concat", ["a3", "m2"], ["k"], name="k", axis=1),
        N("MaxPool", ["k"], ["p"], name="p", kernel_shape=[2, 2], strides=[2, 2]),
        N("AveragePool", ["p"], ["q"], name="q", kernel_shape=[2, 2]),
        N("GlobalAveragePool", ["q"], ["g"], name="g"),
        N("Flatten", ["g"], ["f"], name="f"),
        N("Gemm", ["f", "w4", "b4"], ["z4"], name="z4", transB=1),
        N("Relu", ["z4"], ["r4"], name="r4"),
        N("MatMul", ["r4", "w5"], ["y"], name="z5"),
    ]
    shapes = {"w1": (4, 2, 3, 3), "w2": (4, 2, 1, 1), "w3": (4, 4, 1, 1), "w4": (5, 8), "w5": (5, 3)}
    biases = {"b1": 4, "b2": 4, "b4": 5}
    weights = {name: normal(*shape) for name, shape in shapes.items()}
    weights |= {name: normal(size) for name, size in biases.items()}
    return model(nodes, INPUT, weights), rng.standard_normal(INPUT).astype(np.float32)


class Pictures(CalibrationDataReader):
    """Random pictures, the golden's own first, so that its ranges hold no value back."""

    def __init__(self, first):
        rng = np.random.default_rng(9)
        self.left = [first, *(rng.standard_normal(INPUT).astype(np.float32) for _ in range(3))]

    def get_next(self):
        return {"x": self.left.pop()} if self.left else None


def static(source, x, form, per_channel, weights):
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(source, before)
        quantize_static(before, after, Pictures(x), quant_format=form, per_channel=per_channel,
                        activation_type=QuantType.QUInt8, weight_type=weights)
        return onnx.load(after)


def dynamic(source, weights, per_channel):
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(source, before)
        quantize_dynamic(before, after, per_channel=per_channel, weight_type=weights)
        return onnx.load(after)


def blocks(bits, zeros):
    """A MatMulNBits of random integers; 40 rows do not fill the second block of 32. Its own kernel answers."""
    rng = np.random.default_rng(8)
    k, n, block = 40, 6, 32
    per_block, count = block * bits // 8, -(-k // block)
    byte = lambda *shape: rng.integers(0, 256, shape, np.uint8)
    weights = {"b": byte(n, count, per_block), "s": rng.random(n * count).astype(np.float32)}
    if zeros:
        weights["z"] = byte(n * -(-count * bits // 8))
    sizes = {"K": k, "N": n, "bits": bits, "block_size": block}
    node = N("MatMulNBits", ["x", *weights], ["y"], name="m", domain="com.microsoft", **sizes)
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, size])] for name, size in (("x", k), ("y", n))
    )
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph([node], "g", inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8), rng.standard_normal((2, k)).astype(np.float32)


def rounded(source, quantized):
    """The float source with the weights that the quantized file holds."""
    tensors = {t.name: numpy_helper.to_array(t) for t in quantized.graph.initializer}
    made = {}

    for name, q in tensors.items():
        if not name.endswith("_quantized"):
            continue
        if q.dtype == np.int32:
            continue
        stem = name.removesuffix("_quantized")
        scale, zero = tensors[stem + "_scale"], tensors[stem + "_zero_point"]
        shape = [1] * q.ndim
        if scale.size > 1:
            shape[q.shape.index(scale.size)] = -1
        value = (q.astype(np.float32) - zero.astype(np.float32).reshape(shape)) * scale.reshape(shape)
        made[stem.removesuffix("_Transposed")] = value.T if stem.endswith("_Transposed") else value
    for node in quantized.graph.node:
        if node.op_type in ("QLinearConv", "QGemm") and len(node.input) > 6:
            bias = node.input[8] if node.op_type == "QLinearConv" and len(node.input) > 8 else node.input[6]
            if bias.endswith("_quantized"):
                made[bias.removesuffix("_quantized")] = tensors[bias] * tensors[node.input[1]] * tensors[node.input[4]]
        if node.op_type == "DequantizeLinear" and node.input[0] in tensors and tensors[node.input[0]].dtype == np.int32:
            made[node.output[0]] = tensors[node.input[0]] * tensors[node.input[1]]
    after = onnx.ModelProto.FromString(source.SerializeToString())
    for tensor in after.graph.initializer:
        if tensor.name in made:
            tensor.CopyFrom(numpy_helper.from_array(made.pop(tensor.name).astype(np.float32), tensor.name))
    assert not made, made.keys()
    return after


def run(model, x):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def bare(model):
    """Only what a golden needs."""
    del model.graph.value_info[:]
    del model.metadata_props[:]
    model.producer_name = model.producer_version = model.doc_string = ""
    return model


def far(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


def line(name, model, x, answer):
    return " ".join([name, *(part.hex() for part in (bare(model).SerializeToString(), x.tobytes(), answer.tobytes()))])


def main():
    logging.disable(logging.WARNING)
    OUT.mkdir(exist_ok=True)
    net, x = network()
    int8, uint8 = QuantType.QInt8, QuantType.QUInt8
    cases = [
        ("qdq_per_channel", static(net, x, QuantFormat.QDQ, True, int8)),
        ("qoperator_per_channel", static(net, x, QuantFormat.QOperator, True, int8)),
        ("dynamic_uint8", dynamic(net, uint8, False)),
        ("dynamic_per_channel", dynamic(net, int8, True)),
    ]
    lines = ["# Made by tests/reference/quantized.py with onnxruntime 1.32.0: name, model, input, answer (hexadecimal)"]
    plain = run(net, x)
    for name, quantized in cases:
        answer = run(rounded(net, quantized), x)
        error, whole = far(answer, plain), far(run(quantized, x), answer)
        print(f"{name}: weights rounded {error:.4f} from float, quantized {whole:.4f} from that")
        assert error < 0.05 and whole < 0.1
        lines.append(line(name, quantized, x, answer))
    for bits in 4, 8:
        for zeros in False, True:
            packed, x = blocks(bits, zeros)
            lines.append(line(f"blocks_{bits}_bits{'_zeros' * zeros}", packed, x, run(packed, x)))
    (OUT / "cases.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
