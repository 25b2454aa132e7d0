"""How a mask lies on its raster, and how it compares with a reference: mask.py MASK RASTER REFERENCE.npy

Read with rasterio. Prints one JSON document: pixels with data, how many of them have the reference's class,
the same over all pixels, and whether size, transform and coordinate system are the raster's.
"""

import argparse
import json

import numpy as np
import rasterio


def main():
    call = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    call.add_argument("mask")
    call.add_argument("raster")
    call.add_argument("reference")
    call = call.parse_args()

    reference = np.load(call.reference)
    with rasterio.open(call.mask) as mask, rasterio.open(call.raster) as raster:
        classes = mask.read(1)
        empty = (raster.read() == 0).all(axis=0)
        report = {
            "data": int((~empty).sum()),
            "same": int(((classes == reference) & ~empty).sum()),
            "nodata_as_raster": bool(((classes == mask.nodata) == empty).all()),
            "size": mask.shape == raster.shape == reference.shape,
            "transform": mask.transform == raster.transform,
            "crs": mask.crs == raster.crs,
            "dtype": mask.dtypes[0],
        }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
