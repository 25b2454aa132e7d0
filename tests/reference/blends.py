"""Goldens for sdk/vision/tests/tiles.rs: windows laid, weighted and blended by the references' own functions.

    python -m venv V; V/bin/pip install torch==2.15.0 numpy==2.4.6 scipy==1.17.1
    V/bin/pip install --no-deps -r tests/reference/requirements-blends.txt
    V/bin/python tests/reference/blends.py

Writes sdk/vision/tests/golden/blends.json (cases, starts) and blends.bin (f32: weights and blended values at
places that the Rust test draws too). Packages are not imported whole: their functions are, with what they need
from elsewhere (a model, a queue) handed to them. The model is a function of the pixel, of its place in the window
and of the pixel half a window away, so that weights and padding show.

Where the reference runs its model on a raster smaller than the window (mmseg, terratorch), it gets the raster
padded to the window: that is what a model of one size gets (TilePlan in sdk/vision/src/tiles/plan.rs).
prithvi-mae is the three lines of `inference.py` beside the Prithvi-EO checkpoints, which is no package.
"""

import __future__

import ast
import importlib.metadata
import importlib.util
import json
import pathlib
import queue
import random
import sys
import threading
import types
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from monai.data.utils import compute_importance_map
from monai.inferers.utils import sliding_window_inference
from tqdm import tqdm

GOLDEN = pathlib.Path(__file__).parents[2] / "sdk/vision/tests/golden"
CASES, PLACES = 50, 24


def path(package, file):
    return next(pathlib.Path(f.locate()) for f in importlib.metadata.files(package) if str(f) == file)


def module(package, file):
    spec = importlib.util.spec_from_file_location(pathlib.Path(file).stem, path(package, file))
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def method(package, file, name, **names):
    """A method as a function, with the names it needs from its module."""
    tree = ast.parse(path(package, file).read_text())
    node = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name)
    node.decorator_list = []
    code = compile(ast.Module([node], []), file, "exec", __future__.annotations.compiler_flag)
    exec(code, names)
    return names[name]


class SinglePrecision:
    """torch, whose half precision is single precision."""

    half = torch.float32

    def __getattr__(self, name):
        return getattr(torch, name)


sys.modules["terratorch.models.utils"] = types.SimpleNamespace(pad_images=None)
terratorch_tiles = module("terratorch", "terratorch/tasks/tiled_inference.py")
nnunet_window = module("nnunetv2", "nnunetv2/inference/sliding_window_prediction.py")
slide_inference = method("mmsegmentation", "mmseg/models/segmentors/encoder_decoder.py", "slide_inference", F=F)


def cpu_gaussian(size, sigma_scale, value_scaling_factor, device):
    return nnunet_window.compute_gaussian(size, sigma_scale, value_scaling_factor, device=device)


def nnunet_accumulate(torch_):
    return method(
        "nnunetv2", "nnunetv2/inference/predict_from_raw_data.py", "_internal_predict_sliding_window_return_logits",
        torch=torch_, Queue=queue.Queue, Thread=threading.Thread, tqdm=tqdm, empty_cache=lambda device: None,
        compute_gaussian=cpu_gaussian,
    )


def noise(seed, count):
    """A linear congruential generator (Numerical Recipes), its upper 24 bits as f32 in [0, 1)."""
    out = np.empty(count, np.float32)
    state = seed
    for i in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = np.float32(state >> 8) / np.float32(1 << 24)
    return out


def predict(windows, *_):
    """[n, 2, height, width] -> [n, 3, height, width], f32."""
    height, width = windows.shape[-2:]
    a, b = windows[:, 0].numpy(), windows[:, 1].numpy()
    place = np.arange(height * width, dtype=np.float32).reshape(height, width) / np.float32(height * width)
    first = a * np.float32(0.75)
    second = b * np.float32(0.5) + place * np.float32(0.25)
    third = np.roll(a, (height // 2, width // 2), (1, 2)) * np.float32(0.5)
    return torch.from_numpy(np.stack([first, second, third], axis=1))


def grid(starts):
    """Starts of rows and of columns; every pair of them must be there once."""
    rows, columns = (sorted({int(start[axis]) for start in starts}) for axis in (0, 1))
    assert sorted(map(tuple, starts)) == [(row, column) for row in rows for column in columns]
    return [rows, columns]


def padded(image, window, mode):
    lacking = [max(window[axis] - image.shape[1 + axis], 0) for axis in (0, 1)]
    return torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, lacking[0]), (0, lacking[1])), mode=mode))


def mmseg(image, window, case):
    image_ = padded(image, window, "constant")
    ramps = torch.stack(torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in image_.shape[1:]), indexing="ij"))
    starts = []

    def encode_decode(crop, _):
        starts.append(tuple(int(v) for v in crop[0, 2:, 0, 0]))
        return predict(crop[:, :2])

    stub = types.SimpleNamespace(
        test_cfg=types.SimpleNamespace(stride=[case["stride"]] * 2, crop_size=window), out_channels=3,
        encode_decode=encode_decode,
    )
    return slide_inference(stub, torch.cat([image_, ramps])[None], [{}])[0], starts


def monai(image, window, case):
    mode = "gaussian" if case["blend"] == "monai" else "constant"
    lacking = [max(window[axis] - image.shape[1 + axis], 0) // 2 for axis in (0, 1)]
    starts = []

    def predictor(crop, slices):
        starts.extend(tuple(int(s[2 + axis].start) - lacking[axis] for axis in (0, 1)) for s in slices)
        return predict(crop)

    blended = sliding_window_inference(
        image[None], window, 1, predictor, overlap=case["overlap"], mode=mode, sigma_scale=0.125, with_coord=True
    )
    return blended[0], starts


def nnunet(image, window, case, torch_=torch):
    data, inside = nnunet_window.pad_nd_image(image, window, "constant", {"value": 0}, True, None)
    rows, columns = nnunet_window.compute_steps_for_sliding_window(data.shape[1:], window, 1 - case["overlap"])
    at = [(row, column) for row in rows for column in columns]
    slicers = [(slice(None), slice(y, y + window[0]), slice(x, x + window[1])) for y, x in at]
    stub = types.SimpleNamespace(
        device="cpu", verbose=False, allow_tqdm=False, use_gaussian=True, perform_everything_on_device=True,
        label_manager=types.SimpleNamespace(num_segmentation_heads=3),
        configuration_manager=types.SimpleNamespace(patch_size=window), _internal_maybe_mirror_and_predict=predict,
    )
    logits = nnunet_accumulate(torch_)(stub, data, slicers, True)[(slice(None), *inside[1:])]
    before = [inside[1].start, inside[2].start]
    return logits.float(), [(y - before[0], x - before[1]) for y, x in at]


def terratorch(image, window, case):
    image_ = image
    if all(image.shape[1 + axis] <= window[axis] for axis in (0, 1)):
        image_ = padded(image, window, "reflect")
    strides = {"h_crop": window[0], "w_crop": window[1], "stride": case["stride"]}
    delta = min(case["delta"], *((side - case["stride"]) // 2 for side in window))
    padding = "reflect" if delta else False  # it crops by [0:-0] otherwise
    if list(image_.shape[1:]) == window:
        starts = [(0, 0)]
    else:
        chips = terratorch_tiles.prepare_tiled_inference_input(
            image_[None], delta=case["delta"], padding=padding, **strides)[0]
        starts = [tuple(c.start - 2 * delta for c in chip.input_coords) for chip in chips]
    return terratorch_tiles.tiled_inference(
        predict, image_[None], delta=case["delta"], padding=padding, **strides)[0], starts


def prithvi_mae(image, window, _):
    height, width = image.shape[1:]
    lacking = [window[axis] - image.shape[1 + axis] % window[axis] for axis in (0, 1)]
    whole = torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, lacking[0]), (0, lacking[1])), mode="reflect"))
    out, starts = torch.zeros(3, *whole.shape[1:]), []
    for y in range(0, whole.shape[1], window[0]):
        for x in range(0, whole.shape[2], window[1]):
            part = (slice(None), slice(y, y + window[0]), slice(x, x + window[1]))
            out[part] = predict(whole[part][None])[0]
            if y < height and x < width:  # the others are cropped away
                starts.append((y, x))
    return out[:, :height, :width], starts


REFERENCES = {
    "mmseg": mmseg, "monai": monai, "monai-constant": monai, "nnunet": nnunet, "terratorch": terratorch,
    "prithvi-mae": prithvi_mae,
}


def draw(blend, rng):
    """A raster, a window and the blend's keys."""
    window = [rng.randint(4, 32) for _ in range(2)] if rng.random() < 0.5 else [rng.choice([8, 15, 16, 32])] * 2
    size = [rng.choice([rng.randint(1, 40), rng.randint(30, 110)]) for _ in range(2)]
    case = {"blend": blend, "size": size, "window": window}
    if blend in ("monai", "monai-constant", "nnunet"):
        case["overlap"] = rng.choice([0.0, 0.25, 0.5, 0.5, 0.625, 0.75])
    elif blend == "mmseg":
        case["stride"] = rng.choice([max(min(window) // 2, 1), rng.randint(1, min(window))])
    elif blend == "terratorch":
        case["stride"] = rng.randint(max(min(window) // 3, 1), min(window))
        case["delta"] = rng.choice([0, 1, 2, 3, 8])
    return case


def run(case, seed):
    """The blended raster [3, height, width] and the starts; none where the reference fails."""
    height, width = case["size"]
    image = torch.from_numpy(noise(seed, 2 * height * width).reshape(2, height, width))
    reference = REFERENCES[case["blend"]]
    try:
        blended, starts = reference(image, case["window"], case)
    except RuntimeError:
        if case["blend"] != "terratorch":
            raise
        return None
    blended = blended[:, :height, :width]
    values = [sample(blended, seed)]
    if case["blend"] == "nnunet":
        values.append(sample(nnunet(image, case["window"], case, SinglePrecision())[0], seed))
    return {**case, "seed": seed, "starts": grid(starts)}, values


def sample(blended, seed):
    """All classes at the corners and at drawn places."""
    height, width = blended.shape[1:]
    drawn = noise(seed + 1000, 2 * PLACES)
    rows = [0, 0, height - 1, height - 1] + [int(v * np.float32(height)) for v in drawn[0::2]]
    columns = [0, width - 1, 0, width - 1] + [int(v * np.float32(width)) for v in drawn[1::2]]
    return blended[:, rows, columns].numpy().astype(np.float32)


def weight_maps():
    """Whole maps of small windows; of larger ones the row and the column that weigh most, and the diagonal."""
    for size in ([1, 1], [2, 3], [8, 8], [7, 12], [15, 16], [16, 40], [64, 64], [96, 81], [224, 224]):
        maps = {
            "monai": ({"overlap": 0.5}, compute_importance_map(tuple(size), "gaussian", 0.125)),
            "nnunet": ({"overlap": 0.5}, cpu_gaussian(tuple(size), 1 / 8, 10, "cpu").float()),
        }
        for stride, delta in ((3, 1), (5, 1), (12, 2), (192, 8), (96, 8)):
            if stride <= min(size) and (min(size) - stride) // 2 >= delta:
                mask = terratorch_tiles.get_blend_mask(size[0], stride, size[1], stride, delta)
                maps[f"terratorch {stride}"] = ({"stride": stride, "delta": delta}, F.pad(mask, [delta] * 4))
        for name, (keys, weights) in maps.items():
            weights = weights.numpy()
            if weights.size > 256:
                middle = np.unravel_index(weights.argmax(), weights.shape)
                along = min(size)
                weights = np.concatenate(
                    [weights[middle[0]], weights[:, middle[1]], weights[range(along), range(along)]])
                keys = {**keys, "middle": [int(v) for v in middle]}
            yield {"blend": name.split()[0], "window": size, **keys}, weights


def main():
    warnings.simplefilter("ignore")
    rng = random.Random(20261124)
    cases, weights, values, failed = [], [], [], 0
    for blend in REFERENCES:
        done = 0
        while done < CASES:
            answer = run(draw(blend, rng), len(cases) + 1)
            if answer is None:
                failed += 1
                continue
            cases.append(answer[0])
            values.extend(answer[1])
            done += 1
    for about, map_ in weight_maps():
        weights.append(about)
        values.append(map_)
    packages = ["torch", "numpy", "scipy", "monai", "nnunetv2", "acvl-utils", "terratorch", "mmsegmentation"]
    goldens = {"made_with": {name: importlib.metadata.version(name) for name in packages}, "places": PLACES}
    lines = [f'"{key}": {json.dumps(value)}' for key, value in goldens.items()]
    for key, rows in (("cases", cases), ("weights", weights)):
        lines.append(f'"{key}": [\n  ' + ",\n  ".join(json.dumps(row) for row in rows) + "\n ]")
    (GOLDEN / "blends.json").write_text("{\n " + ",\n ".join(lines) + "\n}\n")
    raw = b"".join(np.ascontiguousarray(v, "<f4").tobytes() for v in values)
    (GOLDEN / "blends.bin").write_bytes(raw)
    sizes = [(GOLDEN / f"blends.{kind}").stat().st_size for kind in ("json", "bin")]
    print(f"{len(cases)} cases, {len(weights)} maps, {sizes} bytes; terratorch failed on {failed} of its draws")
    print(goldens["made_with"])


if __name__ == "__main__":
    main()
