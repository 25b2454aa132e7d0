"""BigEarthNet v2 patches as the files they were published as, and what reBEN's pipeline makes of them: reben.py BENV2 OUT

BENV2 is configilm 0.7.1's folder `extra/mock_data/BENv2`. Writes, for the first --patches patches (6):

    OUT/S2/PATCH/PATCH_B02.tif …, OUT/S1/PATCH/PATCH_VV.tif …   a file a band, names as BigEarthNet v2 has them
    OUT/NAME/PATCH.npy                                          the tensor [1, bands, 120, 120] of spec NAME
    OUT/expected.json                                           scores, best class, classes above 0.5

`stack_and_interpolate(…, "nearest")` and `Normalize` are written anew with numpy; `--configilm` (needs torch, pandas and
the package) runs configilm's own and demands equal bits. Pixels and values are the data set's; where a patch lies on the
ground is not in it, so tiles are laid out from a corner of our own, 1200 m a patch.
"""

import argparse
import json
import os
import pathlib
import sys
import types

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the library loads: it would write and send otherwise

import lmdb
import numpy as np
import onnxruntime
import rasterio
from rasterio.transform import Affine
from safetensors.numpy import load

MODELS = pathlib.Path(__file__).parent / "families"
SIDE = 120

# configilm 0.7.1 `means` and `stds` of "120_nearest".
STATISTICS = {
    "B02": (438.3720703125, 607.02685546875), "B03": (614.0556640625, 603.2968139648438),
    "B04": (588.4096069335938, 684.56884765625), "B05": (942.8433227539062, 738.4326782226562),
    "B06": (1769.931640625, 1100.4560546875), "B07": (2049.551513671875, 1275.805419921875),
    "B08": (2193.2919921875, 1369.3717041015625), "B8A": (2235.556640625, 1356.5440673828125),
    "B11": (1568.226806640625, 1070.1612548828125), "B12": (997.7324829101562, 813.5276489257812),
    "VV": (-12.643863677978516, 5.133493900299072), "VH": (-19.352558135986328, 5.590505599975586),
}
S2 = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
S2_OLD = ["B02", "B03", "B04", "B08", "B05", "B06", "B07", "B11", "B12", "B8A"]
# Of configilm 0.7 and, with v011, of 0.6.
ORDERS = {
    "reben-s1": ["VV", "VH"], "reben-s2": S2, "reben-all": ["VV", "VH", *S2],
    "reben-s1-v011": ["VH", "VV"], "reben-s2-v011": S2_OLD, "reben-all-v011": [*S2_OLD, "VH", "VV"],
}
LABELS = [
    "Agro-forestry areas", "Arable land", "Beaches, dunes, sands", "Broad-leaved forest", "Coastal wetlands",
    "Complex cultivation patterns", "Coniferous forest", "Industrial or commercial units", "Inland waters",
    "Inland wetlands",
    "Land principally occupied by agriculture, with significant areas of natural vegetation", "Marine waters",
    "Mixed forest", "Moors, heathland and sclerophyllous vegetation", "Natural grassland and sparsely vegetated areas",
    "Pastures", "Permanent crops", "Transitional woodland, shrub", "Urban fabric",
]


def main():
    call = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    call.add_argument("benv2", type=pathlib.Path)
    call.add_argument("out", type=pathlib.Path)
    call.add_argument("--patches", type=int, default=6)
    call.add_argument("--configilm", type=pathlib.Path, help="the package's folder: compare with its own functions")
    call = call.parse_args()

    sessions = {
        kind: onnxruntime.InferenceSession(MODELS / f"reben-{kind}.onnx", providers=["CPUExecutionProvider"])
        for kind in ("s1", "s2", "all")
    }
    patches = []
    for s1, s2, bands in read_patches(call.benv2, call.patches):
        for sensor, name in (("S1", s1), ("S2", s2)):
            write_bands(call.out / sensor / name, bands)
        answers = {}
        for spec, order in ORDERS.items():
            tensor = normalise(stack(bands, order), order)
            if call.configilm:
                assert np.array_equal(tensor, by_configilm(call.configilm, bands, order)), f"{spec} of {s2}"
            (call.out / spec).mkdir(exist_ok=True)
            np.save(call.out / spec / f"{s2}.npy", tensor[None])
            logits = sessions[spec.split("-")[1]].run(None, {"pixels": tensor[None]})[0][0]
            answers[spec] = decide(logits)
        patches.append({"s1": s1, "s2": s2, "answers": answers})
    if call.configilm:
        check_tables(call.configilm)
    versions = {m.__name__: m.__version__ for m in (np, onnxruntime, rasterio)}
    (call.out / "expected.json").write_text(json.dumps({"labels": LABELS, "patches": patches, "versions": versions}))
    print(json.dumps({"patches": len(patches), "versions": versions}))


def read_patches(folder, count):
    """(name of S1, name of S2, bands); the two of a pair end alike: `33UUP_26_57`."""
    with lmdb.open(str(folder / "BigEarthNet-V2-LMDB"), readonly=True, lock=False) as env, env.begin() as stored:
        names = sorted(key.decode() for key in stored.cursor().iternext(values=False))
        radar = {"_".join(name.split("_")[-3:]): name for name in names if name.startswith("S1")}
        for s2 in [name for name in names if name.startswith("S2")][:count]:
            s1 = radar["_".join(s2.split("_")[-3:]).removeprefix("T")]
            yield s1, s2, {**load(stored.get(s1.encode())), **load(stored.get(s2.encode()))}


def write_bands(folder, bands):
    """Those of the folder's own sensor."""
    folder.mkdir(parents=True, exist_ok=True)
    column, row = (int(part) for part in folder.name.split("_")[-2:])
    for band, pixels in bands.items():
        if (band in ("VV", "VH")) != folder.name.startswith("S1"):
            continue
        metres = 1200 / len(pixels)
        with rasterio.open(
            folder / f"{folder.name}_{band}.tif", "w", driver="GTiff", count=1, height=len(pixels), width=len(pixels),
            dtype=pixels.dtype, crs="EPSG:32633",
            transform=Affine(metres, 0, 300000 + 1200 * column, 0, -metres, 5400000 - 1200 * row),
        ) as raster:
            raster.write(pixels, 1)


def stack(bands, order):
    """Nearest as torch has it: index floor(i * in / out)."""
    def whole(pixels):
        at = np.arange(SIDE) * len(pixels) // SIDE
        return pixels.astype(np.float32)[at][:, at]

    return np.stack([whole(bands[band]) for band in order])


def normalise(image, order):
    mean, std = (np.float32([STATISTICS[band][i] for band in order])[:, None, None] for i in (0, 1))
    return (image - mean) / std


def decide(logits):
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    order = np.argsort(-logits, kind="stable")
    return {
        "scores": scores.tolist(),
        "best": LABELS[order[0]],
        "above": [LABELS[i] for i in order if scores[i] > 0.5],
    }


def by_configilm(folder, bands, order):
    import torch
    from torchvision.transforms import Normalize

    utils = configilm(folder)
    image = utils.stack_and_interpolate(bands, order, SIDE, "nearest")
    assert image.dtype == torch.float32
    return Normalize(*utils.band_combi_to_mean_std(order, "120_nearest"))(image).numpy()


def check_tables(folder):
    utils = configilm(folder)
    assert utils.NEW_LABELS == LABELS
    assert utils.STANDARD_BANDS[2] == ORDERS["reben-s1"] and utils.STANDARD_BANDS[10] == S2
    assert utils.STANDARD_BANDS[12] == ORDERS["reben-all"]


def configilm(folder):
    """Its band utilities, without the rest that the package imports."""
    if "configilm" not in sys.modules:
        sys.modules["configilm"] = package = types.ModuleType("configilm")
        package.__path__ = [str(folder)]
        sys.modules["configilm.util"] = types.SimpleNamespace(Messages=None)
    from configilm.extra import BENv2_utils

    return BENv2_utils


if __name__ == "__main__":
    main()
