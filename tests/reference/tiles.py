"""Goldens for sdk/vision/tests/tiles.rs: windows laid and blended by ukis-csmask's own functions.

    python -m venv V; V/bin/pip install --no-deps ukis-csmask==1.0.0; V/bin/pip install numpy==2.4.6 scipy==1.17.1
    V/bin/python tests/reference/tiles.py

Writes sdk/vision/tests/golden/tiles.json. Inputs come from a generator that the Rust test repeats; the model
is a fixed function of the pixel and of its place in the window, so that the blend shows. All its steps are
single f32 operations, which are the same in both languages.
"""

import json
import pathlib
import zlib

import numpy as np
import scipy
from scipy.signal.windows import tukey
from ukis_csmask import __version__
from ukis_csmask.utils import tile_array, untile_array

OUT = pathlib.Path(__file__).parents[2] / "sdk/vision/tests/golden/tiles.json"

# height, width, window, overlap
CASES = [
    (1, 1, 16, 0.2), (2, 3, 16, 0.2), (5, 9, 16, 0.2), (9, 10, 16, 0.2), (10, 9, 16, 0.2), (16, 16, 16, 0.2),
    (17, 40, 16, 0.2), (40, 17, 16, 0.2), (64, 64, 16, 0.2), (61, 83, 16, 0.2), (33, 47, 16, 0.0),
    (33, 47, 16, 0.1), (33, 47, 16, 0.25), (33, 47, 16, 0.3), (33, 47, 16, 0.5), (50, 31, 15, 0.2),
    (50, 31, 7, 0.4), (23, 29, 32, 0.2), (3, 200, 32, 0.2), (97, 101, 20, 0.35), (120, 120, 256, 0.2),
    (204, 205, 256, 0.2), (256, 256, 256, 0.2), (300, 517, 256, 0.2), (612, 409, 256, 0.1), (511, 513, 256, 0.5),
]


def noise(seed, count):
    """A linear congruential generator (Numerical Recipes), its upper 24 bits as f32 in [0, 1)."""
    out = np.empty(count, np.float32)
    state = seed
    for i in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = np.float32(state >> 8) / np.float32(1 << 24)
    return out


def predict(tile):
    """[size, size, 2] -> [size, size, 3], f32."""
    size = tile.shape[0]
    place = np.arange(size * size, dtype=np.float32).reshape(size, size) / np.float32(size * size)
    a, b = tile[..., 0], tile[..., 1]
    first = a * np.float32(0.75)
    second = b * np.float32(0.5) + place * np.float32(0.25)
    third = (np.float32(1) - first) * np.float32(0.5)
    return np.stack([first, second, third], axis=-1)


def case(number, height, width, window, overlap):
    image = noise(number + 1, 2 * height * width).reshape(2, height, width).transpose(1, 2, 0)
    tiles = tile_array(image, xsize=window, ysize=window, overlap=overlap)
    answers = np.stack([predict(tile) for tile in tiles])
    assert answers.dtype == np.float32
    blended = untile_array(answers, (height, width, 3), overlap=overlap, smooth_blending=True)
    assert blended.dtype == np.float32
    blended = np.ascontiguousarray(blended.transpose(0, 2, 1))  # [height, classes, width], row by row
    labels = np.argmax(blended, axis=1).astype(np.uint8)
    return {
        "size": [height, width], "window": window, "overlap": overlap,
        "windows_of_the_reference": len(tiles),
        "labels_crc": zlib.crc32(labels.tobytes()),
        "labels": [int((labels == c).sum()) for c in range(3)],
        "blended_crc": zlib.crc32(blended.tobytes()),
        "blended_sum": float(blended.astype(np.float64).sum()),
        "first": [float(v) for v in blended[0, :, 0]],
        "last": [float(v) for v in blended[-1, :, -1]],
    }


def weights(length, alpha):
    return {"length": length, "alpha": alpha, "bits": [f"{v:016x}" for v in tukey(length, alpha).view(np.uint64)]}


def main():
    goldens = {
        "made_with": {"ukis-csmask": __version__, "numpy": np.__version__, "scipy": scipy.__version__},
        "cases": [case(i, *c) for i, c in enumerate(CASES)],
        "tukey": [weights(*w) for w in [(1, 0.4), (2, 0.4), (15, 0.4), (16, 0.4), (16, 0.0), (16, 1.0), (7, 0.8),
                                        (20, 0.7), (64, 0.25), (256, 0.4)]],
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(goldens, indent=1) + "\n")
    print(f"{OUT.name}: {len(goldens['cases'])} cases, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
