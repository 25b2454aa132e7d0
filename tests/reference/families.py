"""Models of Prithvi's and reBEN's structure, small and of seeded weights, and what their references answer.

    python -m venv V; V/bin/pip install torch==2.15.0 numpy==2.4.6 scipy==1.17.1
    V/bin/pip install --no-deps -r tests/reference/requirements-blends.txt
    V/bin/pip install --no-deps -r tests/reference/requirements-families.txt
    V/bin/python tests/reference/families.py

Writes tests/reference/families/: models (ONNX, opset 17), rasters whose pixels follow `field`, the class masks and some
rows of the blended logits that the reference makes of them, and families.json, which says what belongs together.

The encoder is terratorch's own `PrithviViT`; neck and head are those of NASA-IMPACT/hls-foundation-os 04468b0
(`ConvTransformerTokensToEmbeddingNeck`, mmsegmentation's `FCNHead`), written anew with fewer channels. Each pipeline
repeats its reference's arithmetic with its number types, runs the ONNX file with ONNX Runtime, and lays and joins windows
with the reference's own function (`blends.py`).
"""

import datetime
import io
import json
import os
import pathlib
import re
import sys
import warnings

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the library loads: it would write and send otherwise

import numpy as np
import onnxruntime
import rasterio
import timm
import torch
from rasterio.transform import Affine
from torch import nn

import blends

OUT = pathlib.Path(__file__).parent / "families"
SIDE, PATCH, EMBED, NECK = 224, 16, 32, 16
UTM14N = {"crs": "EPSG:32614", "transform": Affine(30, 0, 399960, 0, -30, 4300020)}
UTM13N = {"crs": "EPSG:32613", "transform": Affine(30, 0, 499980, 0, -30, 2600040)}
PrithviViT = blends.module("terratorch", "terratorch/models/backbones/prithvi_mae.py").PrithviViT

# HLS DN that the fields are spread around: mean and deviation of blue, green, red, narrow infrared, SWIR 1 and 2.
LAND = [(600, 300), (900, 350), (950, 500), (2800, 850), (2300, 900), (1500, 800)]
# Sentinel-2 L1C's 13 bands, B1 to B12 with B8A after B8.
TOP = [(1600, 300), (1400, 400), (1350, 400), (1200, 500), (1450, 500), (2300, 700), (2700, 800), (2600, 800), (3000, 800),
       (500, 200), (70, 30), (2000, 700), (1200, 500)]


def field(band, date, size, mean, deviation):
    """An integer a pixel (i64), from two triangle waves and a chequer; spread over about 3 deviations. Rows come in
    pairs: the file is half as large."""
    row, column = np.ogrid[: size[0], : size[1]]
    row = row // 2 * 2

    def wave(steps, length):
        return np.abs(steps % (2 * length) - length)

    slow = wave(row * (1 + band % 3) + column * (2 + band % 2) + 29 * date + 17 * band, 96)
    fast = wave(row * (3 - band % 2) - column + 13 * date + 1000, 40)
    chequer = (row // 32 * 5 + column // 48 * 3 + band + 2 * date) % 7 * 8
    low, step = max(mean - deviation * 3 // 2, 1), max(deviation * 3 // 184, 1)
    return low + step * (slow + fast + chequer)


def stack(bands, dates, size):
    """[dates x bands, height, width], the first date's bands first."""
    return np.stack([field(b, d, size, *bands[b]) for d in range(dates) for b in range(len(bands))])


def lose(pixels, nodata, one):
    """A corner without any band, and a square that lacks band `one`."""
    pixels[:, :40, -50:] = nodata
    pixels[one, 150:170, 60:90] = nodata
    return pixels


# Models


class Norm2d(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.ln = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x):
        return self.ln(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()


class Segmenter(nn.Module):
    def __init__(self, frames, classes, coordinates=()):
        super().__init__()
        self.encoder = PrithviViT(
            img_size=SIDE, patch_size=(1, PATCH, PATCH), num_frames=frames, in_chans=6, embed_dim=EMBED, depth=2,
            num_heads=EMBED // 16, coords_encoding=list(coordinates), coords_scale_learn=True,
        )
        self.neck = nn.Sequential(*self.upscale(EMBED * frames), *self.upscale(NECK))
        self.head = nn.Sequential(
            nn.Conv2d(NECK, NECK, 3, padding=1, bias=False), nn.BatchNorm2d(NECK), nn.ReLU(), nn.Conv2d(NECK, classes, 1)
        )

    @staticmethod
    def upscale(channels):
        return [nn.ConvTranspose2d(channels, NECK, 2, 2), Norm2d(NECK), nn.GELU(), nn.ConvTranspose2d(NECK, NECK, 2, 2)]

    def forward(self, pixels, temporal_coords=None, location_coords=None):
        tokens = self.encoder.forward_features(pixels, temporal_coords, location_coords)[-1][:, 1:]
        cells = SIDE // PATCH
        return self.head(self.neck(tokens.permute(0, 2, 1).reshape(len(tokens), -1, cells, cells)))


class Classifier(nn.Module):
    """No published architecture: two convolutions and a linear layer that sees where things are."""

    def __init__(self, channels):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 16, 5, 5), nn.ReLU(), nn.Conv2d(16, 24, 6, 6), nn.ReLU(), nn.Flatten(),
            nn.Linear(24 * 4 * 4, 19),
        )

    def forward(self, pixels):
        return self.layers(pixels)


def spread(model, inputs):
    """Logits of every class get mean 0 and deviation 3 on these inputs, so that all classes are met and few pixels lie
    between two."""
    last = model.head[-1]
    with torch.no_grad():
        logits = torch.cat([model(*i).flatten(2).permute(1, 0, 2).flatten(1) for i in inputs], dim=1)
        scale = 3 / logits.std(dim=1)
        last.weight *= scale[:, None, None, None]
        last.bias.copy_((last.bias - logits.mean(dim=1)) * scale)


def export(model, name, inputs, names, dynamic=None):
    """Writes the ONNX file; a session of it, found equal to torch on these inputs."""
    buffer = io.BytesIO()
    torch.onnx.export(
        model, tuple(inputs), buffer, input_names=names, output_names=["logits"], opset_version=17, dynamo=False,
        dynamic_axes=dynamic,
    )
    (OUT / f"{name}.onnx").write_bytes(buffer.getvalue())
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    answer = session.run(None, {n: i.numpy() for n, i in zip(names, inputs)})[0]
    with torch.no_grad():
        apart = np.abs(answer - model(*inputs).numpy()).max()
    assert apart < 1e-4, f"{name}: torch and ONNX Runtime differ by {apart}"
    return session


# Rasters


def write(name, pixels, dtype, place, nodata=None, names=()):
    floats = np.dtype(dtype).kind == "f"
    with rasterio.open(
        OUT / name, "w", driver="GTiff", count=len(pixels), height=pixels.shape[1], width=pixels.shape[2], dtype=dtype,
        nodata=nodata, compress="deflate", zlevel=9, predictor=3 if floats else 2, interleave="band", **place,
    ) as raster:
        raster.write(pixels.astype(dtype))
        for i, band in enumerate(names):
            raster.set_band_description(i + 1, band)


def read(name):
    with rasterio.open(OUT / name) as raster:
        return raster.read(), raster.nodata


# Pipelines


def torch_normalise(image, mean, std):
    """torchvision's `normalize`: statistics become the image's type."""
    mean, std = (np.array(v, image.dtype)[:, None, None] for v in (mean, std))
    return ((image - mean) / std).astype(np.float32)


def windows_of_mmseg(image, predict):
    """`image` [planes, H, W]; stride is half a window."""
    return blends.slide_inference(blends.types.SimpleNamespace(
        test_cfg=blends.types.SimpleNamespace(stride=[SIDE // 2] * 2, crop_size=[SIDE] * 2), out_channels=predict.classes,
        encode_decode=lambda crop, _: torch.from_numpy(predict(crop.numpy())),
    ), torch.from_numpy(image)[None], [{}])[0].numpy()


def windows_of_terratorch(image, predict):
    return blends.terratorch_tiles.tiled_inference(
        lambda crop: torch.from_numpy(predict(crop.numpy())), torch.from_numpy(image)[None], h_crop=SIDE, w_crop=SIDE,
        stride=192, delta=8, padding="reflect", batch_size=1,
    )[0].numpy()


def windows_of_prithvi(image, predict):
    """The loop of `inference.py` beside the Prithvi-EO-2.0 checkpoints."""
    height, width = image.shape[1:]
    lacking = [(0, SIDE - side % SIDE) for side in (height, width)]
    whole = np.pad(image, [(0, 0), *lacking], mode="reflect")
    out = np.zeros((predict.classes, *whole.shape[1:]), np.float32)
    for y in range(0, whole.shape[1], SIDE):
        for x in range(0, whole.shape[2], SIDE):
            part = (slice(None), slice(y, y + SIDE), slice(x, x + SIDE))
            out[part] = predict(whole[part][None])[0]
    return out[:, :height, :width]


class Predict:
    """A window [1, planes, H, W] through a session, in the shape that the model takes."""

    def __init__(self, session, *more):
        first = session.get_inputs()[0]
        self.session, self.shape, self.more = session, first.shape, more
        self.classes = session.get_outputs()[0].shape[1]

    def __call__(self, window):
        feeds = [np.ascontiguousarray(window).reshape(self.shape), *self.more]
        return self.session.run(None, {i.name: f for i, f in zip(self.session.get_inputs(), feeds)})[0]


def crops_of(image, count):
    """Windows [1, planes, SIDE, SIDE] from the corners of an image."""
    return [torch.from_numpy(np.ascontiguousarray(image[None, :, y, x]))
            for y, x in [(slice(None, SIDE), slice(None, SIDE)), (slice(-SIDE, None), slice(-SIDE, None))][:count]]


def burn_scars():
    """Reflectance is n / 8192, which f32 holds exactly."""
    size = (260, 300)
    pixels = lose(stack(LAND, 1, size) / 8192, -9999, 3)
    write("burn-scars.tif", pixels, "float32", UTM14N, -9999, ["B02", "B03", "B04", "B8A", "B11", "B12"])
    stored, nodata = read("burn-scars.tif")
    image = torch_normalise(
        stored,
        [0.033349706741586264, 0.05701185520536176, 0.05889748132001316, 0.2323245113436119, 0.1972854853760658,
         0.11944914225186566],
        [0.02269135568823774, 0.026807560223070237, 0.04004109844362779, 0.07791732423672691, 0.08708738838140137,
         0.07241979477437814],
    )
    model = seeded(1, lambda: Segmenter(1, 2))
    inputs = [(window[:, :, None],) for window in crops_of(image, 1)]
    spread(model, inputs)
    session = export(model, "burn-scars", inputs[0], ["pixels"])
    logits = windows_of_mmseg(image, Predict(session))
    return [case("burn-scars", "prithvi-burn-scars", "burn-scars", logits, image, (stored == nodata).any(axis=0))]


def floods():
    """The model of the burn scars, for both have one shape. Of the 13 bands only one that the model reads lacks values
    alone: the reference's mask looks at all bands of the file."""
    size = (250, 300)
    pixels = lose(stack(TOP, 1, size), -9999, 8)
    write("floods.tif", pixels, "int16", UTM14N, -9999, [f"B{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, "8A", 9, 10, 11, 12)])
    stored, nodata = read("floods.tif")
    known = np.where(stored == -9999, 0, stored)[[1, 2, 3, 8, 11, 12]] * 0.0001  # f64, as there
    image = torch_normalise(
        known, [0.14245495, 0.13921481, 0.12434631, 0.31420089, 0.20743526, 0.12046503],
        [0.04036231, 0.04186983, 0.05267646, 0.0822221, 0.06834774, 0.05294205],
    )
    session = onnxruntime.InferenceSession(OUT / "burn-scars.onnx", providers=["CPUExecutionProvider"])
    logits = windows_of_mmseg(image, Predict(session))
    return [case("floods", "prithvi-floods", "burn-scars", logits, image, (stored == nodata).any(axis=0))]


def floods_terratorch():
    """A model of four axes, as TerraTorch's of one date are; u16 with its own nodata tag, 65535."""
    size = (300, 420)
    write("floods-terratorch.tif", lose(stack(TOP, 1, size), 65535, 8), "uint16", UTM14N, 65535)
    stored, nodata = read("floods-terratorch.tif")
    chosen = stored[[1, 2, 3, 8, 11, 12]].astype(np.float32)
    chosen[chosen == nodata] = 0  # rioxarray's mask is NaN, `fillna` makes it 0
    image = torch_normalise(
        chosen * np.float32(0.0001), [0.1412956, 0.13795798, 0.12353792, 0.30902815, 0.2044958, 0.11912015],
        [0.07406382, 0.07370365, 0.08692279, 0.11798815, 0.09772074, 0.07659938],
    )
    model = seeded(3, lambda: Segmenter(1, 2))
    inputs = [(window,) for window in crops_of(image, 2)]
    spread(model, inputs)
    session = export(model, "floods-terratorch", inputs[0], ["pixels"])
    logits = windows_of_terratorch(image, Predict(session))
    lost = (stored == nodata).all(axis=0)  # farsight's own rule: TerraTorch gives these pixels a class too
    more = {"bands": [2, 3, 4, 9, 12, 13]}
    return [case("floods-terratorch", "prithvi-floods-terratorch", "floods-terratorch", logits, image, lost, more)]


def crops():
    """One model, two orders of the same 18 bands: the plain reshape of hls-foundation-os and the exchange of axes of
    `terratorch/datasets/multi_temporal_crop_classification.py`."""
    write("crops.tif", stack(LAND, 3, (SIDE, SIDE)), "int16", UTM14N, -9999)
    stored, nodata = read("crops.tif")
    image = torch_normalise(
        stored.astype(np.float32),
        [494.905781, 815.239594, 924.335066, 2968.881459, 2634.621962, 1739.579917] * 3,
        [284.925432, 357.84876, 575.566823, 896.601013, 951.900334, 921.407808] * 3,
    )
    by_band = image.reshape(3, 6, SIDE, SIDE).transpose(1, 0, 2, 3).reshape(image.shape)
    model = seeded(4, lambda: Segmenter(3, 13))
    inputs = [(torch.from_numpy(np.ascontiguousarray(i)).reshape(1, 6, 3, SIDE, SIDE),) for i in (image, by_band)]
    spread(model, inputs)
    predict = Predict(export(model, "crops", inputs[0], ["pixels"]))
    lost = (stored == nodata).any(axis=0)
    cases = []
    for order, planes in (("as-stored", image), ("by-band", by_band)):
        logits = windows_of_mmseg(np.ascontiguousarray(planes), predict)
        more = {"frame_order": order, "rasters": ["crops.tif"]}
        cases.append(case(f"crops-{order}", "prithvi-crops", "crops", logits, planes, lost, more))
    return cases


def dates_and_place():
    """Three files, named as HLS names them; the coordinates that `inference.py: load_example` takes from them."""
    names = [f"HLS.S30.T13REM.{date}.v2.0_cropped.tif" for date in
             ("2018026T173609", "2018106T172859", "2018201T172901")]
    images, temporal, location, lost = [], [], [], []
    for date, name in enumerate(names):
        pixels = np.stack([field(b, date, (230, 260), *LAND[b]) for b in range(6)])
        write(name, lose(pixels, -9999, 3) if date == 1 else pixels, "int16", UTM13N, -9999,
              ["B02", "B03", "B04", "B8A", "B11", "B12"])
        stored, nodata = read(name)
        # f64, then f32
        mean, std = (np.array(v)[:, None, None] for v in (
            [1087.0, 1342.0, 1433.0, 2734.0, 1958.0, 1363.0], [2248.0, 2179.0, 2178.0, 1850.0, 1242.0, 1049.0]))
        images.append(np.where(stored == -9999, 0.0001, (stored - mean) / std))
        lost.append(stored == nodata)
        stamp = re.search(r"(\d{7,8}T\d{6})", name).group(1).split("T")[0]
        day = datetime.datetime.strptime(stamp, "%Y%j" if len(stamp) == 7 else "%Y%m%d").timetuple().tm_yday
        temporal.append([int(stamp[:4]), day])
        with rasterio.open(OUT / name) as raster:
            location.append(raster.lnglat())
    image = np.stack(images, axis=1).astype(np.float32).reshape(18, 230, 260)  # by band
    coords = [torch.tensor(temporal, dtype=torch.float32)[None], torch.tensor(location[0], dtype=torch.float32)[None]]
    model = seeded(5, lambda: Segmenter(3, 3, ("time", "location")))
    with torch.no_grad():  # as learned scales, not the 0.1 they begin with: they must show in the answer
        model.encoder.temporal_embed_enc.scale.fill_(0.6)
        model.encoder.location_embed_enc.scale.fill_(0.8)
    inputs = [(window.reshape(1, 6, 3, SIDE, SIDE), *coords) for window in crops_of(image, 1)]
    spread(model, inputs)
    session = export(model, "dates-and-place", inputs[0], ["pixels", "temporal_coords", "location_coords"])
    logits = windows_of_prithvi(image, Predict(session, *(c.numpy() for c in coords)))
    swapped = windows_of_prithvi(image, Predict(session, coords[0].numpy(), coords[1].numpy()[:, ::-1].copy()))
    more = {
        "rasters": names, "temporal_coords": temporal, "location_coords": list(location[0]),
        "location_matters": round(float(np.abs(logits - swapped).max()), 3),
    }
    everywhere = np.concatenate(lost).all(axis=0)
    return [case("dates-and-place", "dates-and-place.toml", "dates-and-place", logits, image, everywhere, more)]


def reben():
    """The models only; `reben.py` makes inputs and answers where the tests run."""
    for channels, name in ((2, "s1"), (10, "s2"), (12, "all")):
        model = seeded(10 + channels, lambda: Classifier(channels))
        with torch.no_grad():
            model.layers[-1].weight *= 12
        some = torch.from_numpy(blends.noise(channels, channels * 120 * 120).reshape(1, channels, 120, 120) * 4 - 2)
        export(model, f"reben-{name}", [some], ["pixels"], {"pixels": {0: "N"}, "logits": {0: "N"}})


# Answers


def seeded(seed, make):
    torch.manual_seed(seed)
    return make().eval()


def case(name, spec, model, logits, planes, lost, more=None):
    """Writes mask and rows; what is to be known of them. 255 in the mask: no data."""
    height, width = logits.shape[1:]
    mask = np.where(lost, 255, logits.argmax(axis=0)).astype(np.uint8)
    more = {"rasters": [f"{name}.tif"], **(more or {})}
    with rasterio.open(OUT / more["rasters"][0]) as raster:
        place = {"crs": raster.crs, "transform": raster.transform}
    write(f"{name}-mask.tif", mask[None], "uint8", place, 255)
    rows = sorted({0, 111, min(215, height - 1), height - 1})[:: 1 if len(logits) < 5 else 3]
    np.save(OUT / f"{name}-logits.npy", logits[:, rows].astype(np.float32))
    best, second = np.sort(logits, axis=0)[:-3:-1]
    close = ~lost & (best - second < 1e-3)
    drawn = (blends.noise(7, 3 * 32).reshape(32, 3) * [len(planes), SIDE, SIDE]).astype(int)
    return {
        "name": name, "spec": spec, "model": f"{model}.onnx", **more, "mask": f"{name}-mask.tif",
        "pixels": {int(k): int(n) for k, n in zip(*np.unique(mask, return_counts=True))},
        # [row, column] where two classes are within 1e-3: there a mask may differ.
        "close": np.argwhere(close).tolist(),
        "logits": {"file": f"{name}-logits.npy", "rows": rows},
        # Of the raster's upper left window: [plane, row, column] and its value.
        "tensor": [[*map(int, at), float(planes[tuple(at)])] for at in drawn],
    }


def main():
    warnings.simplefilter("ignore")
    OUT.mkdir(exist_ok=True)
    cases = [*burn_scars(), *floods(), *floods_terratorch(), *crops(), *dates_and_place()]
    reben()
    packages = (np, onnxruntime, rasterio, timm, torch)
    versions = {m.__name__: m.__version__ for m in packages}
    versions |= {p: blends.importlib.metadata.version(p) for p in ("mmsegmentation", "terratorch")}
    text = ",\n".join(json.dumps(c) for c in cases)
    (OUT / "families.json").write_text(f'{{"made_with": {json.dumps(versions)},\n"cases": [\n{text}\n]}}\n')
    for c in cases:
        print(c["name"], c["pixels"], len(c["close"]), "close")
    sizes = {p.name: p.stat().st_size for p in sorted(OUT.iterdir())}
    print(json.dumps(sizes, indent=1), sum(sizes.values()), versions)


if __name__ == "__main__":
    sys.exit(main())
