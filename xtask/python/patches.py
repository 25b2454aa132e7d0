"""Lays the Sentinel-2 patches of a BigEarthNet v2 LMDB side by side as one GeoTIFF: patches.py LMDB OUT

Six patches a row in the order of their names; uint16, the twelve L2A bands by name, all brought to
10 m by repeating pixels. The georeference is the true one of the first patch, derived from its name;
the others lie beside it in the file but not on the ground, and some come from another UTM zone.
"""

import math
import re
import sys

import lmdb
import numpy as np
import rasterio
import safetensors.numpy

BANDS = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"]
SIZE = 120  # pixels of 10 m along a patch's side
COLUMNS = 6


def main(database, out):
    patches = read_patches(database)
    rows = math.ceil(len(patches) / COLUMNS)
    picture = np.zeros((len(BANDS), rows * SIZE, COLUMNS * SIZE), np.uint16)
    for i, (_, bands) in enumerate(patches):
        y, x = i // COLUMNS * SIZE, i % COLUMNS * SIZE
        for b, band in enumerate(BANDS):
            picture[b, y : y + SIZE, x : x + SIZE] = at_10_m(bands[band])

    zone, easting, northing = origin(patches[0][0])
    profile = dict(
        driver="GTiff", dtype="uint16", count=len(BANDS), height=picture.shape[1], width=picture.shape[2],
        crs=f"EPSG:{32600 + zone}", transform=rasterio.Affine(10, 0, easting, 0, -10, northing),
        nodata=0, tiled=True, blockxsize=256, blockysize=256, compress="deflate", predictor=2,
    )  # fmt: skip
    with rasterio.open(out, "w", **profile) as raster:
        raster.write(picture)
        raster.descriptions = BANDS
    print(f"{len(patches)} patches, {picture.shape[2]} x {picture.shape[1]} pixels, UTM zone {zone}N")


def read_patches(database):
    """(name, {band: pixels}) of every Sentinel-2 patch, in the order of their names."""
    with lmdb.open(database, readonly=True, lock=False) as env, env.begin() as transaction:
        return [
            (key.decode(), safetensors.numpy.load(value))
            for key, value in transaction.cursor()
            if key.startswith(b"S2")
        ]


def at_10_m(band):
    """Bands of 20 and 60 m have a whole number of 10 m pixels to each of theirs."""
    repeat = SIZE // band.shape[0]
    return band.repeat(repeat, axis=0).repeat(repeat, axis=1)


def origin(name):
    """UTM zone, easting and northing of a patch's upper left corner, from a name such as …_T33UUP_26_57.

    The name ends in the Sentinel-2 tile (an MGRS square), the column and the row of the patch in it.
    MGRS: the first letter of the square counts 100 km of easting and starts anew every three zones;
    the second counts 100 km of northing modulo 2000 km, with F for A in even zones; the latitude band
    says which 2000 km. A tile's corner is the square's upper left, moved outwards to a multiple of 60 m.
    """
    zone, latitude, column, row, x, y = re.search(r"_T(\d\d)([N-X])([A-Z])([A-Z])_(\d+)_(\d+)$", name).groups()
    zone = int(zone)
    west = 100_000 * (["STUVWXYZ", "ABCDEFGH", "JKLMNPQR"][zone % 3].index(column) + 1)
    letters = "ABCDEFGHJKLMNPQRSTUV"
    south = 100_000 * ((letters.index(row) - (0 if zone % 2 else 5)) % 20)
    degrees = 8 * "NPQRSTUVWX".index(latitude)
    while south + 100_000 < degrees * 110_500:  # metres to a degree, a little less than anywhere on the globe
        south += 2_000_000
    left = west // 60 * 60
    top = -(-(south + 100_000) // 60) * 60
    return zone, left + int(x) * SIZE * 10, top - int(y) * SIZE * 10


if __name__ == "__main__":
    main(*sys.argv[1:])
