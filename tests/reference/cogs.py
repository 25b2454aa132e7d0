"""Checks the files of sdk/vision/tests/raster_cog.rs with rasterio and rio-cogeo.

    python -m venv V; V/bin/pip install numpy==2.4.6 rasterio==1.4.4 rio-cogeo==7.0.4
    FARSIGHT_COGS=DIR cargo test -p farsight-vision --features rasters --test raster_cog
    V/bin/python tests/reference/cogs.py DIR
"""

import pathlib
import sys

import numpy as np
import rasterio
from rio_cogeo import cog_validate

SOURCES = pathlib.Path(__file__).parents[2] / "sdk/vision/tests/golden/rasters"


def same_place(found, source):
    assert found.crs == source.crs, found.name
    corners = [(0, 0), (found.width, 0), (0, found.height), (found.width, found.height)]
    for corner in corners:
        np.testing.assert_allclose(found.transform @ corner, source.transform @ corner, rtol=0, atol=1e-6)


def valid(path):
    is_valid, errors, warnings = cog_validate(path, strict=True, quiet=True)
    assert is_valid and not errors and not warnings, (path, errors, warnings)
    with rasterio.open(path) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG", path
        assert file.compression.name == "deflate" and file.block_shapes[0] == (256, 256)


def mask(path):
    valid(path)
    with rasterio.open(path) as found, rasterio.open(SOURCES / "cog-u16.tif") as source:
        same_place(found, source)
        row, column = np.ogrid[: found.height, : found.width]
        expected = np.where((row // 90 + column // 70) % 2 == 0, 1, 0)
        expected = np.where(column < row // 5, 255, expected)
        expected = np.where((row * 7 + column * 3) % 101 == 0, 2, expected)
        np.testing.assert_array_equal(found.read(1), expected)
        assert found.nodata == 255 and found.colormap(1)[1] == (250, 128, 3, 255)
        assert found.tags()["CLASS_2"] == "shadow"
        levels = found.overviews(1)
        size = found.shape
    for level in range(len(levels)):
        with rasterio.open(path, overview_level=level) as small:
            pixels = small.read(1)
            assert pixels.shape == tuple(-(-side // 2 ** (level + 1)) for side in size)
            near = expected[:: 2 ** (level + 1), :: 2 ** (level + 1)]
            assert (pixels == near).mean() > 0.9, (path, level)
    return levels


def probabilities(path, dtype):
    valid(path)
    with rasterio.open(path) as found, rasterio.open(SOURCES / "place-geographic.tif") as source:
        same_place(found, source)
        assert found.dtypes == (dtype,) * 3 and found.descriptions == ("clear", "cloud & <thick>", "shadow")
        kind, row, column = np.ogrid[:3, : found.height, : found.width]
        expected = (kind * 90 + row + column) % 256 / 255
        read = found.read() * (found.scales[0] if dtype == "uint8" else 1)
        nothing = np.broadcast_to(column < row // 5, read.shape)
        np.testing.assert_allclose(read[~nothing], expected[~nothing], atol=1e-6)
        assert (np.isnan(read) if dtype == "float32" else read == 0)[nothing].all()
        assert found.overviews(1) == [2, 4]


if __name__ == "__main__":
    masks = sorted(pathlib.Path(sys.argv[1]).glob("mask-*.tif"))
    assert len(masks) == 4
    for path in masks:
        print(f"{path.name}: a valid COG, in its place, overviews {mask(path)}")
    for name, dtype in [("u8", "uint8"), ("f32", "float32")]:
        probabilities(pathlib.Path(sys.argv[1]) / f"probabilities-{name}.tif", dtype)
    print("probabilities: valid COGs, in their place, named and scaled")
