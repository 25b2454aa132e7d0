"""Goldens for sdk/vision/tests/polygons.rs: polygons of masks by GDAL, places by PROJ.

    python -m venv V; V/bin/pip install numpy==2.4.6 rasterio==1.4.4 pyproj==3.7.2 shapely==2.2.0
    V/bin/python tests/reference/polygons.py                writes sdk/vision/tests/golden/polygons.json
    FARSIGHT_POLYGONS=DIR cargo test -p farsight-vision --features rasters --test polygons
    V/bin/python tests/reference/polygons.py check DIR      compares the GeoJSON files of that test

Each mask comes with the rings that rasterio.features.shapes gives (4-connected, classes of `skip` masked out),
corners as [column, row], not closed, each turned to begin with its smallest corner.
"""

import json
import pathlib
import sys

import numpy as np
import pyproj
import rasterio
from rasterio.features import shapes
from shapely import transform
from shapely.geometry import shape

OUT = pathlib.Path(__file__).parents[2] / "sdk/vision/tests/golden/polygons.json"
CODES = [32601, 32633, 32660, 32701, 32733, 25832, 4326, 3857]


def turned(ring):
    ring = [[int(x), int(y)] for x, y in ring[:-1]]
    first = ring.index(min(ring))
    return ring[first:] + ring[:first]


def polygons(mask, skip):
    wanted = ~np.isin(mask, skip)
    found = []
    for geometry, value in shapes(mask, mask=wanted, connectivity=4):
        polygon = shape(geometry)
        assert polygon.is_valid
        exterior, *holes = map(turned, geometry["coordinates"])
        found.append({"class": int(value), "pixels": int(polygon.area), "exterior": exterior, "holes": sorted(holes)})
    assert sum(polygon["pixels"] for polygon in found) == wanted.sum()
    return sorted(found, key=lambda polygon: polygon["exterior"])


def masks():
    random = np.random.default_rng(20261124)
    for size in [(1, 1), (1, 9), (9, 1), (2, 2), (5, 8)]:
        yield "small", random.integers(0, 3, size), []
    for size, classes in [((16, 16), 2), ((12, 16), 3), ((14, 23), 2), ((16, 9), 5)]:
        yield "noise", random.integers(0, classes, size), []
    for size in [(7, 7), (6, 9)]:
        yield "checkerboard", np.indices(size).sum(0) % 2, []
    rings = np.indices((21, 21)) - 10
    yield "nested squares", np.abs(rings).max(0) % 2, []
    yield "nested diamonds", np.abs(rings).sum(0) % 2, []
    yield "spiral", spiral(15), []
    yield "flat", np.full((6, 5), 7), []
    for factor, size in [(3, 8), (5, 6)]:
        coarse = np.kron(random.integers(0, 3, (size, size)), np.ones((factor, factor), int))
        yield "blocks with speckle", np.where(random.random(coarse.shape) < 0.06, 3, coarse), []
    for size, skip in [((12, 20), [255]), ((20, 12), [0, 255]), ((9, 9), [1])]:
        mask = random.integers(0, 3, size)
        mask[random.random(size) < 0.2] = 255
        mask[:, : size[1] // 4] = 255
        yield "no data", mask, skip


def spiral(side):
    mask = np.zeros((side, side), int)
    row, column, down, right, length = 0, 0, 0, 1, side
    while length > 0:
        for _ in range(length):
            mask[row, column] = 1
            row, column = row + down, column + right
        row, column = row - down, column - right
        down, right = right, -down
        row, column = row + down, column + right
        length -= 1 if down else 2
    return mask


def places():
    """Places on each system by PROJ, spread over a zone and a little beyond."""
    random = np.random.default_rng(7)
    rows = []
    for code in CODES:
        to_degrees = pyproj.Transformer.from_crs(code, 4326, always_xy=True)
        for _ in range(12):
            if code == 4326:
                x, y = random.uniform(-180, 180), random.uniform(-90, 90)
            elif code == 3857:
                x, y = random.uniform(-2e7, 2e7), random.uniform(-2e7, 2e7)
            else:
                x, y = random.uniform(100e3, 900e3), random.uniform(0, 9.3e6)
            longitude, latitude = to_degrees.transform(x, y)
            rows.append({"epsg": code, "x": x, "y": y, "lon_lat": [longitude, latitude]})
    return rows


def areas():
    """Areas of pixels on the ellipsoid, as geodesics see them (their edges are parallels, so cut finely)."""
    geod = pyproj.Geod(ellps="WGS84")
    rows = []
    for code, [a, _, c, _, e, f] in [(4326, [0.01, 0, 10, 0, -0.02, 60]), (3857, [1000, 0, 2e6, 0, -1000, 6e6])]:
        to_degrees = pyproj.Transformer.from_crs(code, 4326, always_xy=True)
        for row in [0, 7, 50]:
            x = np.linspace(c, c + a, 2001)
            top, bottom = np.full_like(x, f + e * row), np.full_like(x, f + e * (row + 1))
            lon, lat = to_degrees.transform(np.concatenate([x, x[::-1]]), np.concatenate([top, bottom]))
            area, _ = geod.polygon_area_perimeter(lon, lat)
            rows.append({"epsg": code, "transform": [a, 0, c, 0, e, f], "row": row, "area_m2": abs(area)})
    return rows


def generate():
    cases = []
    for name, mask, skip in masks():
        mask = np.asarray(mask, np.uint8)
        cases.append({"name": name, "mask": mask.tolist(), "skip": skip, "polygons": polygons(mask, skip)})
    made_with = {"rasterio": rasterio.__version__, "gdal": rasterio.__gdal_version__, "numpy": np.__version__,
                 "pyproj": pyproj.__version__, "proj": pyproj.proj_version_str}
    sections = {"cases": cases, "places": places(), "areas": areas()}
    lines = [f' "{name}": [\n' + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n ]" for name, rows in sections.items()]
    OUT.write_text("{\n" + f' "made_with": {json.dumps(made_with)},\n' + ",\n".join(lines) + "\n}\n")
    print(f"{len(cases)} masks, {OUT.stat().st_size} bytes")


def check(folder):
    """DIR/NAME.tif are masks, DIR/NAME.geojson their polygons: the same as GDAL's, to a centimetre."""
    files = sorted(pathlib.Path(folder).glob("*.tif"))
    assert files, "no masks there"
    for file in files:
        with rasterio.open(file) as raster:
            mask, place, crs, nodata = raster.read(1), raster.transform, raster.crs, raster.nodata
        to_degrees = pyproj.Transformer.from_crs(crs, 4326, always_xy=True).transform
        expected = [(int(value), transform(shape(geometry), to_degrees, interleaved=False))
                    for geometry, value in shapes(mask, mask=mask != nodata, transform=place)]
        found = [(feature["properties"]["class"], shape(feature["geometry"]))
                 for feature in json.loads(file.with_suffix(".geojson").read_text())["features"]]
        assert len(found) == len(expected), (file, len(found), len(expected))
        for value, one in found:
            assert one.is_valid and one.exterior.is_ccw and not any(hole.is_ccw for hole in one.interiors), file
            same = [other for expected_value, other in expected
                    if value == expected_value and one.normalize().equals_exact(other.normalize(), 2e-7)]
            assert len(same) == 1, (file, value, one)
        print(f"{file.name}: {len(found)} polygons as GDAL's, valid, turned as RFC 7946 wants")


if __name__ == "__main__":
    check(sys.argv[2]) if sys.argv[1:2] == ["check"] else generate()
