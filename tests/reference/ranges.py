"""Writes the golden of calibration: onnxruntime's entropy thresholds and its scales and zero points.

    python -m pip install -r tests/reference/requirements-ranges.txt
    python tests/reference/ranges.py

The values are generated on both sides (`values`). Their histogram has farsight's bins, over a range symmetric
about 0 as onnxruntime takes it, and no zeros; the thresholds are those before onnxruntime cuts them to the data.
"""

import json
import pathlib
import platform

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import calibrate, quant_utils

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "sdk/compiler/tests/golden/ranges.json"
BINS = 2048


def uniform(count, seed):
    """Number i is the integer hash "lowbias32" (C. Wellons) of i + seed * 0x9E3779B9, as a part of 2^32."""
    x = np.arange(count, dtype=np.uint32) + np.uint32(seed * 0x9E3779B9 % 2**32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x.astype(np.float64) / 2.0**32


def values(kind, count, seed):
    """Only +, -, *, / of f64, which are the same everywhere; then f32."""
    u = [uniform(count, seed + number) for number in range(4)]
    bell = u[0] + u[1] + u[2] + u[3] - 2.0
    x = {
        "uniform": u[0] * 2.0 - 1.0,
        "bell": bell,
        "heavy": bell * bell * bell / (u[0] + 0.05),
        "relu": np.maximum(bell, 0.0),
        "far": bell + 3.0,
        "mirrored": np.concatenate([bell[: count // 2], -bell[: count // 2]]) ** 3,
    }[kind]
    return x.astype(np.float32)


def histogram(x):
    """Counts over 2^n wide bins about 0, as many as farsight's grid needs, and their edges."""
    x = x[x != 0]
    low, high, exponent = min(float(x.min()), 0.0), max(float(x.max()), 0.0), -100
    while np.floor(high / 2.0**exponent) - np.floor(low / 2.0**exponent) >= BINS:
        exponent += 1
    width = 2.0**exponent
    half = int(max(-np.floor(low / width), np.floor(high / width) + 1))
    edges = np.arange(-half, half + 1) * width
    counts = np.bincount(np.floor(x.astype(np.float64) / width).astype(np.int64) + half, minlength=2 * half)
    return counts, edges


def entropy_case(kind, count, seed, levels):
    x = values(kind, count, seed)
    counts, edges = histogram(x)
    collector = calibrate.HistogramCollector("entropy", True, 2 * BINS, levels, None, None)
    everything = np.array(-np.inf), np.array(np.inf)
    low, high = collector.get_entropy_threshold((counts, edges, *everything, None), levels)
    return {"kind": kind, "count": count, "seed": seed, "levels": levels, "low": float(low), "high": float(high)}


def params_case(low, high, name):
    kind = {"u8": onnx.TensorProto.UINT8, "s8": onnx.TensorProto.INT8, "u16": onnx.TensorProto.UINT16}[name]
    symmetric = name == "s8"
    lowest, highest = quant_utils.get_qmin_qmax_for_qType(kind, symmetric=symmetric)
    ends = np.array(low, np.float32), np.array(high, np.float32)
    zero_point, scale = quant_utils.compute_scale_zp(*ends, lowest, highest, symmetric)
    return {
        "low": float(ends[0]),
        "high": float(ends[1]),
        "kind": name,
        "scale": float(scale),
        "zero_point": int(zero_point),
    }


def main():
    # onnxruntime adds in f32: of two windows alike to 1e-7 it takes either (bell, seed 1). None of these is such.
    entropy = [
        entropy_case(kind, 20000, seed, levels)
        for seed, kind in enumerate(["uniform", "bell", "heavy", "relu", "far", "mirrored"], start=10)
        for levels in (128, 256)
    ]
    ends = [(-1.0, 1.0), (0.0, 6.0), (-0.2784645, 9.73), (-3.3, 0.0), (-0.5, 0.5), (-1.5, 254.5), (2.0, 5.0)]
    ends += [(-7.0, -1.0), (0.0, 0.0), (0.0, 1e-45), (0.0, 2e-36), (-1e-40, 1e-37), (-1e30, 2e30), (-3e38, 3e38)]
    params = [params_case(low, high, name) for low, high in ends for name in ("u8", "s8", "u16")]
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    rows = {"entropy": entropy, "params": params}
    text = ",\n".join(
        f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in cases) + "\n]" for name, cases in rows.items()
    )
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    GOLDEN.write_text(f'{{"made_with": {json.dumps(versions)},\n{text}\n}}\n')


if __name__ == "__main__":
    main()
