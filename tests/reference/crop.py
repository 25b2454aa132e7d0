"""Cuts a window out of a raster with its names and its place: crop.py RASTER OUT ROW COLUMN HEIGHT WIDTH

With --empty N, all bands are 0 (no data) in a square of N pixels in the upper left corner.
"""

import argparse

import rasterio
from rasterio.windows import Window


def main():
    call = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    call.add_argument("raster")
    call.add_argument("out")
    for name in ("row", "column", "height", "width"):
        call.add_argument(name, type=int)
    call.add_argument("--empty", type=int, default=0)
    call = call.parse_args()

    window = Window(call.column, call.row, call.width, call.height)
    with rasterio.open(call.raster) as raster:
        pixels = raster.read(window=window)
        pixels[:, : call.empty, : call.empty] = 0
        profile = {"driver": "GTiff", "dtype": pixels.dtype, "count": raster.count, "crs": raster.crs}
        transform = raster.window_transform(window)
        with rasterio.open(
            call.out, "w", height=call.height, width=call.width, transform=transform, **profile
        ) as out:
            out.write(pixels)
            out.descriptions = raster.descriptions
    print("{}")


if __name__ == "__main__":
    main()
