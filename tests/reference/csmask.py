"""The class mask that `ukis_csmask` itself makes of a raster: csmask.py PACKAGE RASTER OUT.npy

PACKAGE is the folder that holds the package's mask.py and its models. Reflectance is DN / 10000 as
float32. OUT is rows x columns of uint8: 0 clear, 1 cloud, 2 shadow, for every pixel (no data too).
"""

import argparse
import importlib.util
import json
import os
import pathlib
import sys
import time

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the library loads: it would write and send otherwise

import numpy as np
import onnxruntime
import rasterio
import scipy

BANDS = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "swir16": "B11", "swir22": "B12"}


def main():
    call = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    call.add_argument("package", type=pathlib.Path)
    call.add_argument("raster")
    call.add_argument("out")
    call.add_argument("--level", choices=["l1c", "l2a"], default="l2a")
    call.add_argument("--bands", type=int, choices=[4, 6], default=6)
    call = call.parse_args()

    order = list(BANDS)[: call.bands]
    image = read_reflectance(call.raster, [BANDS[name] for name in order])
    started = time.perf_counter()
    mask = load_package(call.package).CSmask(
        image, band_order=order, product_level=call.level, providers=["CPUExecutionProvider"]
    )
    seconds = time.perf_counter() - started
    classes = mask.csm[:, :, 0]
    np.save(call.out, classes)

    report = {
        "model": pathlib.Path(mask.model_file).name,
        "pixels": np.bincount(classes.ravel(), minlength=3).tolist(),
        "seconds": round(seconds, 3),
        "versions": {m.__name__: m.__version__ for m in (np, onnxruntime, rasterio, scipy)},
    }
    print(json.dumps(report))


def read_reflectance(path, bands):
    """rows x columns x bands of float32; bands are found by their descriptions."""
    with rasterio.open(path) as raster:
        missing = [band for band in bands if band not in raster.descriptions]
        if missing:
            sys.exit(f"{path} has no band described as {', '.join(missing)}; it has {raster.descriptions}")
        stored = raster.read([raster.descriptions.index(band) + 1 for band in bands])
    return np.moveaxis(stored.astype(np.float32) / np.float32(10000), 0, -1)


def load_package(folder):
    """The package's `mask` module, from a folder of any name."""
    package = importlib.util.spec_from_file_location(
        "ukis_csmask", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules["ukis_csmask"] = importlib.util.module_from_spec(package)
    return importlib.import_module("ukis_csmask.mask")


if __name__ == "__main__":
    main()
