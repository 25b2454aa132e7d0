"""Makes the goldens of the opset upgrade: small models before, and as onnx.version_converter leaves them.

Needs onnx==1.23.2, onnxruntime==1.32.0, numpy. Run from anywhere:

    python tests/reference/graph.py          # writes tests/reference/graph/opset_*.txt
    python tests/reference/graph.py run FILE # runs two models of each line on random data and compares

Each golden is run in ONNX Runtime before and after on random data and must give the same bits. Where the
converter's own result does not, the correction is made here and said so (FIXED).
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper, version_converter

OUT = Path(__file__).parent / "graph"


def case(name, op, since, to, shapes, attrs=None, consts=None, outputs=1):
    """One node between float inputs and outputs. `consts`: input name to array, in input order after shapes."""
    inputs = [f"x{i}" for i in range(len(shapes))]
    consts = consts or {}
    outs = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, inputs + list(consts), outs, name="n", **(attrs or {}))
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in zip(inputs, shapes)],
        [helper.make_empty_tensor_value_info(n) for n in outs],
        [numpy_helper.from_array(v, n) for n, v in consts.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", since)], ir_version=4)
    for out, info in zip(graph.output, onnx.shape_inference.infer_shapes(model).graph.output):
        out.CopyFrom(info)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", since)], ir_version=4)
    return name, since, to, model


f32 = lambda *v: np.array(v, np.float32)
i64 = lambda *v: np.array(v, np.int64)
X = [2, 3, 4, 6]
CASES = [
    case("softmax_default_4d", "Softmax", 11, 13, [X]),
    case("softmax_last", "Softmax", 11, 13, [X], {"axis": 3}),
    case("softmax_minus_one", "Softmax", 11, 17, [X], {"axis": -1}),
    case("softmax_middle", "Softmax", 11, 17, [X], {"axis": 2}),
    case("softmax_2d", "Softmax", 9, 17, [[2, 5]]),
    case("logsoftmax_default", "LogSoftmax", 11, 17, [X]),
    case("logsoftmax_last", "LogSoftmax", 9, 13, [[2, 5]], {"axis": 1}),
    case("hardmax_middle", "Hardmax", 11, 13, [X], {"axis": 1}),
    case("squeeze_axes", "Squeeze", 11, 17, [[1, 3, 1, 2]], {"axes": [0, 2]}),
    case("squeeze_all", "Squeeze", 9, 17, [[1, 3, 1, 2]]),
    case("unsqueeze", "Unsqueeze", 9, 17, [[3, 2]], {"axes": [0, 3]}),
    case("reducesum_axes", "ReduceSum", 11, 17, [X], {"axes": [1, 2], "keepdims": 0}),
    case("reducesum_all", "ReduceSum", 11, 13, [X]),
    case("reducemean_axes", "ReduceMean", 11, 17, [X], {"axes": [2, 3]}),
    case("split_sizes", "Split", 11, 17, [X], {"axis": 1, "split": [1, 2]}, outputs=2),
    case("split_even", "Split", 9, 17, [X], {"axis": 2}, outputs=2),
    case("dropout", "Dropout", 11, 17, [X], {"ratio": 0.25}),
    case("dropout_default", "Dropout", 9, 13, [X]),
    case("clip_both", "Clip", 10, 17, [X], {"min": -0.5, "max": 0.75}),
    case("clip_max", "Clip", 9, 11, [X], {"max": 0.5}),
    case("clip_min", "Clip", 9, 13, [X], {"min": 0.0}),
    case("clip_none", "Clip", 10, 11, [X]),
    case("pad_constant", "Pad", 10, 17, [X], {"pads": [0, 0, 1, 2, 0, 0, 3, 4], "value": 1.5}),
    case("pad_default", "Pad", 9, 11, [X], {"pads": [0, 0, 1, 1, 0, 0, 1, 1]}),
    case("pad_reflect", "Pad", 10, 13, [X], {"pads": [0, 0, 1, 1, 0, 0, 1, 1], "mode": "reflect"}),
    case("slice", "Slice", 9, 17, [X], {"starts": [1, 0], "ends": [3, 2], "axes": [1, 3]}),
    case("slice_no_axes", "Slice", 9, 10, [[4, 5]], {"starts": [0, 1], "ends": [2, -1]}),
    case("topk", "TopK", 9, 17, [[3, 8]], {"k": 3, "axis": 1}, outputs=2),
    case("upsample_nearest", "Upsample", 9, 17, [X], {"mode": "nearest"}, {"s": f32(1, 1, 2, 3)}),
    case("upsample_linear", "Upsample", 9, 11, [X], {"mode": "linear"}, {"s": f32(1, 1, 2, 2)}),
    case("resize_nearest_up", "Resize", 10, 17, [X], {"mode": "nearest"}, {"s": f32(1, 1, 1.5, 2.5)}),
    case("resize_nearest_down", "Resize", 10, 13, [X], {"mode": "nearest"}, {"s": f32(1, 1, 0.6, 0.4)}),
    case("resize_linear", "Resize", 10, 17, [X], {"mode": "linear"}, {"s": f32(1, 1, 2, 0.5)}),
    case("resize_11", "Resize", 11, 17, [X], {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
         {"r": f32(), "s": f32(1, 1, 2, 2)}),
    case("scatter", "Scatter", 9, 17, [[3, 3]], {"axis": 1}, {"i": i64([0, 2]), "u": f32([9, 8])}),
    case("batchnorm", "BatchNormalization", 9, 17, [X], {"epsilon": 1e-3},
         {"s": f32(1, 2, 3), "b": f32(0, 1, 2), "m": f32(0, 0, 1), "v": f32(1, 2, 3)}),
    case("roialign", "RoiAlign", 10, 17, [X], {"output_height": 2, "output_width": 2, "spatial_scale": 0.5},
         {"r": f32([0, 0, 6, 6], [1, 1, 9, 7]), "b": i64(0, 1)}),
    case("conv", "Conv", 9, 17, [X], {"pads": [1, 1, 1, 1]}, {"w": np.ones((2, 3, 3, 3), np.float32)}),
    case("maxpool", "MaxPool", 9, 17, [X], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    case("averagepool", "AveragePool", 9, 17, [X], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    case("argmax", "ArgMax", 9, 17, [X], {"axis": 1, "keepdims": 0}),
    case("gemm", "Gemm", 9, 17, [[2, 3]], {"transB": 1}, {"w": np.ones((4, 3), np.float32), "b": f32(1, 2, 3, 4)}),
    case("depthtospace", "DepthToSpace", 9, 17, [[1, 8, 2, 2]], {"blocksize": 2}),
    case("concat", "Concat", 9, 17, [X, X], {"axis": -2}),
    case("flatten", "Flatten", 9, 17, [X], {"axis": 2}),
    case("leakyrelu", "LeakyRelu", 9, 17, [X], {"alpha": 0.1}),
    case("prelu", "PRelu", 9, 17, [X], None, {"s": np.full((3, 1, 1), 0.2, np.float32)}),
    case("reshape", "Reshape", 9, 17, [X], None, {"s": i64(0, -1)}),
    case("lrn", "LRN", 9, 17, [X], {"size": 3}),
    case("pow", "Pow", 9, 17, [X], None, {"e": f32(2)}),
]

# What the converter gets wrong or leaves to a default, corrected: where pixels of an old Resize lie, and
# Hardmax, which it takes for compatible (Softmax, of the same change, it flattens).
FIXED = {
    "hardmax_middle": (None, None),
    "upsample_nearest": ("asymmetric", "floor"),
    "upsample_linear": ("asymmetric", None),
    "resize_nearest_up": ("asymmetric", "floor"),
    "resize_nearest_down": ("asymmetric", "ceil"),
    "resize_linear": ("asymmetric", None),
}


def fix(name, model):
    transform, nearest = FIXED[name]
    if name == "hardmax_middle":
        node = model.graph.node[0]
        axis = node.attribute[0].i
        node.attribute[0].i = -1
        source, out = node.input[0], node.output[0]
        node.input[0], node.output[0] = "flat", "rows"
        shape = helper.make_node("Shape", [source], ["shape"])
        flatten = helper.make_node("Flatten", [source], ["flat"], axis=axis)
        reshape = helper.make_node("Reshape", ["rows", "shape"], [out])
        nodes = [shape, flatten, node, reshape]
        graph = helper.make_graph(nodes, "g", model.graph.input, model.graph.output)
        opsets = model.opset_import
        return helper.make_model(graph, opset_imports=opsets, ir_version=model.ir_version)
    for node in model.graph.node:
        if node.op_type == "Resize":
            node.attribute.append(helper.make_attribute("coordinate_transformation_mode", transform))
            if nearest:
                node.attribute.append(helper.make_attribute("nearest_mode", nearest))
            # The converter's roi has values that nothing reads outside of tf_crop_and_resize.
            node.input[1] = "empty_roi"
            model.graph.initializer.append(numpy_helper.from_array(f32(), "empty_roi"))
    return model


def run(model, seed=0):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(seed)
    feeds = {i.name: rng.standard_normal(i.shape).astype(np.float32) for i in session.get_inputs()}
    return session.run(None, feeds)


def same(a, b):
    return len(a) == len(b) and all(x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in zip(a, b))


def strip(model):
    """Only what a golden needs: no shapes in between, no text."""
    del model.graph.value_info[:]
    model.producer_name = model.producer_version = model.doc_string = ""
    return model


def main():
    OUT.mkdir(exist_ok=True)
    lines = ["# Made by tests/reference/graph.py with onnx 1.23.2: name, opset before, after, model before, after"]
    for name, since, to, model in CASES:
        after = version_converter.convert_version(model, to)
        after.ir_version = max(after.ir_version, helper.find_min_ir_version_for([helper.make_opsetid("", to)]))
        before_values = run(model.SerializeToString())
        try:
            agrees = same(before_values, run(after.SerializeToString()))
        except Exception as error:
            agrees = False
            print(f"{name}: converter's result does not run: {str(error)[:100]}")
        if name in FIXED:
            print(f"{name}: converter {'agrees' if agrees else 'DIFFERS'}, corrected")
            after = fix(name, after)
            agrees = same(before_values, run(after.SerializeToString()))
        if not agrees:
            sys.exit(f"{name}: the golden does not give what the model gave before")
        before, after = (strip(m).SerializeToString().hex() for m in (model, after))
        lines.append(f"{name} {since} {to} {before} {after}")
    (OUT / "opset_cases.txt").write_text("\n".join(lines) + "\n")

    versions = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "":
            versions.setdefault(schema.name, set()).add(schema.since_version)
    lines = ["# Made by tests/reference/graph.py with onnx 1.23.2: an opset and the operators that changed in it"]
    # Scatter and Upsample end with a version that only says so; they count as changed there.
    for opset in range(10, 18):
        changed = sorted(op for op, v in versions.items() if opset in v and min(v) < opset)
        lines.append(" ".join([str(opset), *changed]))
    (OUT / "opset_changes.txt").write_text("\n".join(lines) + "\n")


def compare(path):
    """Runs model pairs (hexadecimal, as in opset_cases.txt) and tells which differ."""
    count = 0
    for line in Path(path).read_text().splitlines():
        if line.startswith("#"):
            continue
        name, _, _, before, after = line.split()
        if not same(run(bytes.fromhex(before)), run(bytes.fromhex(after))):
            sys.exit(f"{name}: differs")
        count += 1
    print(f"{count} pairs give the same bits")


if __name__ == "__main__":
    compare(sys.argv[2]) if sys.argv[1:2] == ["run"] else main()
