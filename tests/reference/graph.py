"""Makes the goldens of the opset upgrade: small models before, and as onnx.version_converter leaves them.

Needs onnx==1.23.2, onnxruntime==1.32.0, numpy. Run from anywhere:

    python tests/reference/graph.py          # writes tests/reference/graph/opset_*.txt
    python tests/reference/graph.py run FILE # runs two models of each line on random data and compares

Each golden is run in ONNX Runtime before and after on random data and must give the same bits (ROUNDED names the
exceptions). Where the converter's own result does not, the correction is made here and said so (FIXED).
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper, version_converter

OUT = Path(__file__).parent / "graph"


def case(name, op, since, to, shapes, attrs=None, consts=None, outputs=1, kind=TensorProto.FLOAT):
    """One node between inputs and outputs. `consts`: input name to array (None: not given), after the inputs."""
    inputs = [f"x{i}" for i in range(len(shapes))]
    given = [name if array is not None else "" for name, array in (consts or {}).items()]
    consts = {name: array for name, array in (consts or {}).items() if array is not None}
    outs = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, inputs + given, outs, name="n", **(attrs or {}))
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info(n, kind, s) for n, s in zip(inputs, shapes)],
        [helper.make_empty_tensor_value_info(n) for n in outs],
        [numpy_helper.from_array(v, n) for n, v in consts.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", since)], ir_version=4)
    for out, info in zip(graph.output, onnx.shape_inference.infer_shapes(model).graph.output):
        out.CopyFrom(info)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", since)], ir_version=4)
    return name, since, to, model


f32 = lambda *v: np.array(v, np.float32)
f64 = lambda *v: np.array(v, np.float64)
i64 = lambda *v: np.array(v, np.int64)
u8 = lambda *v: np.array(v, np.uint8)
X = [2, 3, 4, 6]
G = [2, 5, 5, 2]  # a grid to sample X with
REDUCTIONS = ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"]
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
    *[case(f"reduce{op.lower()}_18", f"Reduce{op}", 11, 18, [X], {"axes": [1, 2]}) for op in REDUCTIONS],
    case("reducemax_all", "ReduceMax", 9, 21, [X], {"keepdims": 0}),
    case("reducemin_last", "ReduceMin", 13, 20, [X], {"axes": [-1], "keepdims": 0}),
    case("split_even_18", "Split", 9, 18, [X], {"axis": 2}, outputs=2),
    case("split_whole_18", "Split", 13, 18, [X], {"axis": 2}),
    case("split_sizes_21", "Split", 11, 21, [X], {"axis": 1, "split": [1, 2]}, outputs=2),
    case("lppool_18", "LpPool", 11, 18, [X], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    case("resize_linear_21", "Resize", 11, 21, [X], {"mode": "linear"}, {"r": f32(), "s": f32(1, 1, 2, 0.7)}),
    case("resize_cubic_21", "Resize", 13, 21, [X], {"mode": "cubic"},
         {"r": None, "s": None, "z": i64(2, 3, 7, 5)}),
    case("resize_crop_21", "Resize", 13, 21, [X],
         {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"},
         {"r": f32(0, 0, 0.1, 0.1, 1, 1, 0.9, 1.2), "s": f32(1, 1, 2, 2)}),
    case("pad_21", "Pad", 10, 21, [X], {"pads": [0, 0, 1, 2, 0, 0, 3, 4], "value": 1.5}),
    case("pad_edge_21", "Pad", 13, 21, [X], {"mode": "edge"}, {"p": i64(0, 0, 1, 2, 0, 0, 2, 1)}),
    case("averagepool_19", "AveragePool", 11, 19, [X], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    case("averagepool_ceil_19", "AveragePool", 11, 19, [X],
         {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1, "count_include_pad": 1}),
    case("cast_21", "Cast", 9, 21, [X], {"to": TensorProto.INT32}),
    case("castlike_21", "CastLike", 15, 21, [X], None, {"l": np.float16(1).reshape(())}),
    case("quantize_21", "QuantizeLinear", 10, 21, [X], None,
         {"s": np.float32(0.01).reshape(()), "z": np.uint8(3).reshape(())}),
    case("quantize_axis_21", "QuantizeLinear", 13, 21, [X], {"axis": 1},
         {"s": f32(0.1, 0.2, 0.3), "z": u8(1, 2, 3)}),
    case("dequantize_21", "DequantizeLinear", 13, 21, [], {"axis": 0},
         {"x": u8([1, 2], [3, 255]), "s": f32(0.1, 0.2), "z": u8(1, 2)}),
    case("scatter_21", "ScatterElements", 13, 21, [[3, 3]], {"axis": 1}, {"i": i64([0, 2]), "u": f32([9, 8])}),
    case("scatternd_21", "ScatterND", 13, 21, [[3, 3]], None, {"i": i64([0, 2]), "u": f32(9)}),
    case("equal_21", "Equal", 13, 21, [X, X]),
    case("isinf_21", "IsInf", 10, 21, [X]),
    case("isnan_21", "IsNaN", 9, 21, [X]),
    case("shape_21", "Shape", 9, 21, [X]),
    case("size_21", "Size", 9, 21, [X]),
    case("identity_21", "Identity", 9, 21, [X]),
    case("flatten_21", "Flatten", 9, 21, [X], {"axis": 2}),
    case("reshape_21", "Reshape", 9, 21, [X], None, {"s": i64(0, -1)}),
    case("squeeze_21", "Squeeze", 11, 21, [[1, 3, 1, 2]], {"axes": [0, 2]}),
    case("unsqueeze_21", "Unsqueeze", 9, 21, [[3, 2]], {"axes": [0, 3]}),
    case("transpose_21", "Transpose", 9, 21, [X], {"perm": [3, 1, 0, 2]}),
    case("constantofshape_21", "ConstantOfShape", 9, 21, [], None, {"s": i64(2, 2)}),
    case("dft_default", "DFT", 17, 20, [[1, 8, 6, 1]]),
    case("dft_axis", "DFT", 17, 21, [[1, 8, 6, 1]], {"axis": 2, "onesided": 1}, {"l": np.int64(4).reshape(())}),
    case("dft_inverse", "DFT", 17, 20, [[1, 8, 6, 2]], {"axis": -2, "inverse": 1}),
    case("gridsample_default", "GridSample", 16, 20, [X, G]),
    case("gridsample_bilinear", "GridSample", 16, 21, [X, G], {"mode": "bilinear", "padding_mode": "reflection"}),
    case("gridsample_bicubic", "GridSample", 16, 20, [X, G], {"mode": "bicubic", "align_corners": 1}),
    case("gridsample_nearest", "GridSample", 16, 20, [X, G], {"mode": "nearest", "padding_mode": "border"}),
    case("groupnorm", "GroupNormalization", 18, 21, [[2, 6, 3, 3]], {"num_groups": 2, "epsilon": 1e-3},
         {"s": f32(1, 2), "b": f32(0.5, 1)}),
    case("groupnorm_double", "GroupNormalization", 18, 21, [[2, 4, 3]], {"num_groups": 4},
         {"s": f64(1, 2, 3, 4), "b": f64(4, 3, 2, 1)}, kind=TensorProto.DOUBLE),
]

# From opset 19 on ONNX Runtime has another loop for this operator, which adds in another order.
ROUNDED = {"averagepool_19"}


def resize(transform, nearest):
    """Where pixels of an old Resize lie: the converter leaves it to a default that is another."""

    def fix(model):
        for node in model.graph.node:
            if node.op_type == "Resize":
                node.attribute.append(helper.make_attribute("coordinate_transformation_mode", transform))
                if nearest:
                    node.attribute.append(helper.make_attribute("nearest_mode", nearest))
                # The converter's roi has values that nothing reads outside of tf_crop_and_resize.
                node.input[1] = "empty_roi"
                model.graph.initializer.append(numpy_helper.from_array(f32(), "empty_roi"))
        return model

    return fix


def hardmax(model):
    """The converter takes it for compatible (Softmax, of the same change, it flattens)."""
    node = model.graph.node[0]
    axis = node.attribute[0].i
    node.attribute[0].i = -1
    source, out = node.input[0], node.output[0]
    node.input[0], node.output[0] = "flat", "rows"
    shape = helper.make_node("Shape", [source], ["shape"])
    flatten = helper.make_node("Flatten", [source], ["flat"], axis=axis)
    reshape = helper.make_node("Reshape", ["rows", "shape"], [out])
    return around(model, [shape, flatten, node, reshape])


def lppool(model):
    """The converter writes out a default."""
    node = model.graph.node[0]
    kept = [a for a in node.attribute if a.name != "ceil_mode"]
    del node.attribute[:]
    node.attribute.extend(kept)
    return model


def group_normalization(model):
    """The converter leaves scale and bias one for each group; opset 21 reads one for each channel."""
    node = model.graph.node[0]
    if model.graph.input[0].type.tensor_type.elem_type == TensorProto.DOUBLE:
        node.attribute.append(helper.make_attribute("stash_type", TensorProto.DOUBLE))
    groups = next(a.i for a in node.attribute if a.name == "num_groups")
    consts = {"groups": i64(groups), "one": i64(1), "column_shape": i64(-1, 1), "flat_shape": i64(-1)}
    model.graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in consts.items())
    nodes = [
        helper.make_node("Shape", [node.input[0]], ["channels"], start=1, end=2),
        helper.make_node("Div", ["channels", "groups"], ["each"]),
        helper.make_node("Concat", ["one", "each"], ["row"], axis=0),
    ]
    for index in (1, 2):
        of = node.input[index]
        nodes += [
            helper.make_node("Reshape", [of, "column_shape"], [f"{of}_column"]),
            helper.make_node("Expand", [f"{of}_column", "row"], [f"{of}_table"]),
            helper.make_node("Reshape", [f"{of}_table", "flat_shape"], [f"{of}_each"]),
        ]
        node.input[index] = f"{of}_each"
    return around(model, [*nodes, node])


def around(model, nodes):
    """The model with these nodes."""
    graph = helper.make_graph(nodes, "g", model.graph.input, model.graph.output, model.graph.initializer)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


# What the converter gets wrong or leaves to a default, corrected.
FIXED = {
    "hardmax_middle": hardmax,
    "upsample_nearest": resize("asymmetric", "floor"),
    "upsample_linear": resize("asymmetric", None),
    "resize_nearest_up": resize("asymmetric", "floor"),
    "resize_nearest_down": resize("asymmetric", "ceil"),
    "resize_linear": resize("asymmetric", None),
    "lppool_18": lppool,
    "groupnorm": group_normalization,
    "groupnorm_double": group_normalization,
}


def run(model, seed=0):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(seed)
    types = {"tensor(float)": np.float32, "tensor(double)": np.float64}
    feeds = {i.name: rng.standard_normal(i.shape).astype(types[i.type]) for i in session.get_inputs()}
    return session.run(None, feeds)


def same(name, a, b):
    """The same bits, or for the names in ROUNDED the same values but for their last bits."""
    if len(a) != len(b) or any(x.shape != y.shape or x.dtype != y.dtype for x, y in zip(a, b)):
        return False
    if name in ROUNDED:
        return all(np.allclose(x, y, rtol=1e-6, atol=1e-6) for x, y in zip(a, b))
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b))


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
            agrees = same(name, before_values, run(after.SerializeToString()))
        except Exception as error:
            agrees = False
            print(f"{name}: converter's result does not run: {str(error)[:100]}")
        if name in FIXED:
            print(f"{name}: converter {'agrees' if agrees else 'DIFFERS'}, corrected")
            after = FIXED[name](after)
            agrees = same(name, before_values, run(after.SerializeToString()))
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
    for opset in range(10, 22):
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
        if not same(name, run(bytes.fromhex(before)), run(bytes.fromhex(after))):
            sys.exit(f"{name}: differs")
        count += 1
    print(f"{count} pairs give the same bits")


if __name__ == "__main__":
    compare(sys.argv[2]) if sys.argv[1:2] == ["run"] else main()
