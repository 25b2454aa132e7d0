"""Small GeoTIFFs of many kinds for sdk/vision/tests/raster.rs, and a check of masks that farsight wrote.

    python -m venv V; V/bin/pip install numpy==2.4.6 rasterio==1.4.4
    V/bin/python tests/reference/rasters.py                 writes sdk/vision/tests/golden/rasters/ and stacks/
    FARSIGHT_MASKS=DIR cargo test -p farsight-vision --features rasters --test raster_mask
    V/bin/python tests/reference/rasters.py check DIR       compares the masks of that test with their rasters

Pixels follow a formula that the Rust test repeats; expected.json holds what rasterio says of each file.
"""

import json
import pathlib
import sys

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT

OUT = pathlib.Path(__file__).parents[2] / "sdk/vision/tests/golden/rasters"
HEIGHT, WIDTH = 20, 30
NORTH_UP = Affine(10, 0, 399960, 0, -10, 5800020)
ROTATED = Affine(8, 3, 399960, 2.5, -9, 5800020)
TILED = {"tiled": True, "blockxsize": 16, "blockysize": 16}
LOCAL = CRS.from_proj4("+proj=laea +lat_0=47.123 +lon_0=11.5 +x_0=1000 +y_0=2000 +ellps=GRS80 +units=m")


def pixels(dtype, bands):
    """The formula: an integer a pixel, wrapped to the type; floats take a fraction and a sign with it."""
    band, row, column = np.ogrid[:bands, :HEIGHT, :WIDTH]
    number = band * 7919 + row * 131 + column * 17
    if np.dtype(dtype).kind == "f":
        return (number / 8 - 100.25).astype(dtype)
    return (number * (257 if np.dtype(dtype).itemsize > 1 else 1)).astype(dtype)


# name: (dtype, bands, rasterio options)
KINDS = {
    "strip-none-u8": ("uint8", 1, {}),
    "strip-none-u16-chunky": ("uint16", 3, {"interleave": "pixel"}),
    "strip-deflate2-u16-planar": ("uint16", 6, {"interleave": "band", "compress": "deflate", "predictor": 2}),
    "strip-packbits-u8-chunky": ("uint8", 4, {"interleave": "pixel", "compress": "packbits"}),
    "strip-rows7-lzw-i32": ("int32", 2, {"interleave": "pixel", "compress": "lzw", "blockysize": 7}),
    "strip-lzw3-f64": ("float64", 2, {"interleave": "pixel", "compress": "lzw", "predictor": 3}),
    "tiled-none-f32-planar": ("float32", 2, {**TILED, "interleave": "band"}),
    "tiled-none-u16-chunky": ("uint16", 6, {**TILED, "interleave": "pixel"}),
    "tiled-lzw2-i16-chunky": ("int16", 3, {**TILED, "interleave": "pixel", "compress": "lzw", "predictor": 2}),
    "tiled-deflate2-u16-planar": ("uint16", 6, {**TILED, "interleave": "band", "compress": "deflate", "predictor": 2}),
    "tiled-deflate2-u16-rgb": (
        "uint16", 6,
        {**TILED, "interleave": "pixel", "compress": "deflate", "predictor": 2, "photometric": "RGB"}),
    "tiled-deflate3-f32-chunky": ("float32", 2, {**TILED, "interleave": "pixel", "compress": "deflate", "predictor": 3}),
    "tiled-zstd2-u32": ("uint32", 1, {**TILED, "compress": "zstd", "predictor": 2}),
    "tiled-zstd3-f32-planar": ("float32", 3, {**TILED, "interleave": "band", "compress": "zstd", "predictor": 3}),
    "tiled-zstd-i8": ("int8", 1, {**TILED, "compress": "zstd"}),
    "strip-deflate-u16-chunky": ("uint16", 3, {"interleave": "pixel", "compress": "deflate"}),
    "strip-deflate2-i32-chunky": ("int32", 3, {"interleave": "pixel", "compress": "deflate", "predictor": 2}),
    "tiled-deflate2-u8-chunky": ("uint8", 3, {**TILED, "interleave": "pixel", "compress": "deflate", "predictor": 2}),
    "tiled-deflate2-u32-planar": ("uint32", 2, {**TILED, "interleave": "band", "compress": "deflate", "predictor": 2}),
    "tiled-deflate3-f64": ("float64", 1, {**TILED, "compress": "deflate", "predictor": 3}),
    "tiled-packbits-i16-planar": ("int16", 2, {**TILED, "interleave": "band", "compress": "packbits"}),
    "tiled-lzw3-f32-chunky": ("float32", 2, {**TILED, "interleave": "pixel", "compress": "lzw", "predictor": 3}),
    "strip-zstd2-u16-chunky": ("uint16", 3, {"interleave": "pixel", "compress": "zstd", "predictor": 2}),
    "big-none-i16-planar": ("int16", 2, {"BIGTIFF": "YES", "interleave": "band"}),
    "msb-deflate2-u8": ("uint8", 2, {"ENDIANNESS": "BIG", "interleave": "band", "compress": "deflate", "predictor": 2}),
    "big-deflate2-u16": ("uint16", 2, {**TILED, "BIGTIFF": "YES", "compress": "deflate", "predictor": 2}),
    "msb-deflate2-u16-chunky": (
        "uint16", 3, {**TILED, "ENDIANNESS": "BIG", "interleave": "pixel", "compress": "deflate", "predictor": 2}),
    "msb-deflate3-f32": ("float32", 2, {"ENDIANNESS": "BIG", "interleave": "pixel", "compress": "deflate", "predictor": 3}),
    "msb-none-f64": ("float64", 1, {"ENDIANNESS": "BIG", "BIGTIFF": "YES"}),
    "white-is-zero-u8": ("uint8", 1, {"photometric": "MINISWHITE"}),
    "palette-u8": ("uint8", 1, {"compress": "deflate", "photometric": "PALETTE"}),
    "bits12-u16": ("uint16", 2, {"NBITS": 12, "interleave": "pixel", "compress": "deflate"}),
    "cog-u16": ("uint16", 3, {"driver": "COG", "blocksize": 128, "compress": "deflate", "predictor": 2}),
    "sparse-u16": ("uint16", 2, {**TILED, "interleave": "band", "SPARSE_OK": True}),
}
# name: what differs from the usual place
PLACES = {
    "place-geographic": {"crs": "EPSG:4326", "transform": Affine(0.001, 0, 11.5, 0, -0.001, 48.25)},
    "place-rotated": {"transform": ROTATED},
    "place-custom": {"crs": LOCAL},
    "place-none": {"crs": None, "transform": None},
    "place-point": {"area_or_point": "Point"},
}
NODATA = {"nodata-0-u16": ("uint16", 0), "nodata-minus-i16": ("int16", -9999), "nodata-nan-f32": ("float32", float("nan")),
          "nodata-lowest-f32": ("float32", float(np.finfo(np.float32).min))}


def write(name, dtype="uint8", bands=1, crs="EPSG:32633", transform=NORTH_UP, nodata=None, area_or_point=None,
          names=None, scales=None, offsets=None, **options):
    data = pixels(dtype, bands)
    if "NBITS" in options:
        data &= (1 << options["NBITS"]) - 1
    if name == "sparse-u16":
        data[:, 16:, :] = 0
        data[1] = 0
    options = {"driver": "GTiff", **options}
    path = OUT / f"{name}.tif"
    with rasterio.open(path, "w", dtype=dtype, count=bands, height=HEIGHT, width=WIDTH, crs=crs,
                       transform=transform, nodata=nodata, **options) as file:
        if name == "sparse-u16":
            file.write(data[0, :16], 1, window=((0, 16), (0, WIDTH)))
        else:
            file.write(data)
        if area_or_point:
            file.update_tags(AREA_OR_POINT=area_or_point)
        for number, text in enumerate(names or [], 1):
            if text:
                file.set_band_description(number, text)
        if scales:
            file.scales = scales
        if offsets:
            file.offsets = offsets
    return describe(path, data)


def describe(path, data):
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), data)
        assert (file.height, file.width) == (HEIGHT, WIDTH)
        place = file.transform != Affine.identity()
        return {
            "file": path.name, "dtype": file.dtypes[0], "bands": file.count,
            "nodata": None if file.nodata is None else str(file.nodata),
            "epsg": file.crs.to_epsg() if file.crs else None,
            "transform": list(file.transform)[:6] if place else None,
            "names": list(file.descriptions), "scales": list(file.scales), "offsets": list(file.offsets),
            "zero_rows": 16 if path.stem == "sparse-u16" else HEIGHT,
            "bits": 12 if path.stem.startswith("bits12") else None,
        }


def generate():
    OUT.mkdir(parents=True, exist_ok=True)
    expected = [write(name, dtype, bands, **options) for name, (dtype, bands, options) in KINDS.items()]
    expected += [write(name, **options) for name, options in PLACES.items()]
    expected += [write(name, dtype, nodata=nodata) for name, (dtype, nodata) in NODATA.items()]
    expected.append(write("bands-named-u16", "uint16", 4, names=["B02 & blue", "B8A", None, "température <K>"],
                          scales=[0.0001, 1, 2.5, 1e-9], offsets=[-0.1, 0, 7, -1000]))
    made_with = {"rasterio": rasterio.__version__, "gdal": rasterio.__gdal_version__, "numpy": np.__version__}
    (OUT / "expected.json").write_text(json.dumps({"made_with": made_with, "files": expected}, indent=1) + "\n")
    sizes = [path.stat().st_size for path in OUT.iterdir()]
    print(f"{len(expected)} files, {sum(sizes)} bytes, largest {max(sizes)}")


# folder: {file: (dtype, how many pixels of the grid a pixel is wide, nodata)}
STACKS = {
    "ben": {"S1A_IW_33UUP_61_39_VV.tif": ("float32", 1, None), "S2A_33UUP_26_57_B02.tif": ("uint16", 1, None),
            "S2A_33UUP_26_57_B8A.tif": ("uint16", 2, None), "S2A_33UUP_26_57_B01.tif": ("uint16", 6, None)},
    "holes": {"T32_B02_10m.tif": ("int16", 1, -9999), "T32_B03_30m.tif": ("int16", 3, -9999),
              "T32_B04_20m.tif": ("uint16", 2, 0), "T32_VH_20m.tif": ("float32", 2, float("nan"))},
}
GRID = (18, 24)


def stacks():
    """Coarse bands with the formula's pixels and holes; nearest as torch repeats, bilinear as GDAL's warper does."""
    place = {"crs": "EPSG:32633", "transform": NORTH_UP}
    expected = []
    for folder, files in STACKS.items():
        (OUT.parent / "stacks" / folder).mkdir(parents=True, exist_ok=True)
        for number, (name, (dtype, ratio, nodata)) in enumerate(sorted(files.items())):
            path = OUT.parent / "stacks" / folder / name
            height, width = (length // ratio for length in GRID)
            row, column = np.ogrid[:height, :width]
            data = (1000 + number * 1717 + row * 131 + column * 57 + row * column % 7 * 11).astype(dtype)
            if np.dtype(dtype).kind == "f":
                data = data / np.dtype(dtype).type(64)
            if nodata is not None:
                data[(row * 5 + column * 3) % 7 == 0] = nodata
                data[:2, :3] = nodata
            transform = NORTH_UP * Affine.scale(ratio)
            with rasterio.open(path, "w", driver="GTiff", dtype=dtype, count=1, height=height, width=width,
                               nodata=nodata, crs=place["crs"], transform=transform, compress="deflate") as file:
                file.write(data, 1)
            with rasterio.open(path) as file, WarpedVRT(
                    file, **place, height=GRID[0], width=GRID[1], resampling=Resampling.bilinear) as warped:
                bilinear = warped.read(1)
            nearest = data.repeat(ratio, 0).repeat(ratio, 1)
            expected.append({"folder": folder, "file": name,
                             "nearest": " ".join(map(str, nearest.ravel())),
                             "bilinear": " ".join(map(str, bilinear.ravel()))})
    (OUT.parent / "stacks" / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def check(folder):
    masks = sorted(pathlib.Path(folder).glob("*.tif"))
    assert masks, "no masks there"
    for mask in masks:
        with rasterio.open(mask) as found, rasterio.open(OUT / mask.name) as source:
            assert found.transform == source.transform, mask.name
            assert found.crs == source.crs, mask.name
            assert found.shape == source.shape and found.dtypes == ("uint8",), mask.name
            assert found.tags().get("AREA_OR_POINT") == source.tags().get("AREA_OR_POINT"), mask.name
            assert found.compression.name == "deflate" and found.nodata == 255, mask.name
            assert found.tags()["CLASS_1"] == "cloud & <thick>", mask.name
            assert found.colormap(1)[1] == (250, 128, 3, 255), mask.name
            row, column = np.ogrid[:HEIGHT, :WIDTH]
            np.testing.assert_array_equal(found.read(1), (row * 31 + column * 7) % 4)
    print(f"{len(masks)} masks: transform, CRS, size, nodata, names, colours and pixels as rasterio wants them")


if __name__ == "__main__":
    if sys.argv[1:2] == ["check"]:
        check(sys.argv[2])
    else:
        generate()
        stacks()
