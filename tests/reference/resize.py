"""Writes the goldens of frame pre-processing: what OpenCV, Pillow and numpy make of generated frames.

    python -m pip install -r tests/reference/requirements-resize.txt
    python tests/reference/resize.py

Every case holds the frame's format, size and seed, the model's input as a spec spells it, where the frame
lies in the tensor, and the CRC-32 of the tensor (little-endian f32). The pixels are generated on both
sides (`noise`). Sizes and offsets follow ultralytics 8.4.190 `data/augment.py` (LetterBox), YOLOX
`yolox/data/data_augment.py` (preproc) and torchvision `transforms/functional.py` (resize, center_crop).
"""

import json
import math
import pathlib
import platform
import random
import zlib

import cv2
import numpy as np
import PIL
from PIL import Image

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "sdk/vision/tests/golden"


def noise(count, seed):
    """Byte i is the low byte of the integer hash "lowbias32" (C. Wellons) of i + seed * 0x9E3779B9."""
    x = np.arange(count, dtype=np.uint32) + np.uint32(seed * 0x9E3779B9 % 2**32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x.astype(np.uint8)


def rgb_of(frame_format, height, width, seed):
    """The frame as OpenCV reads it: [H, W, 3] RGB, or [H, W] gray."""
    if frame_format == "gray8":
        return noise(height * width, seed).reshape(height, width)
    if frame_format in ("rgb8", "bgr8"):
        pixels = noise(height * width * 3, seed).reshape(height, width, 3)
        return pixels if frame_format == "rgb8" else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    if frame_format in ("nv12", "nv21"):
        planes = noise(height * width * 3 // 2, seed).reshape(height * 3 // 2, width)
        return cv2.cvtColor(planes, getattr(cv2, f"COLOR_YUV2RGB_{frame_format.upper()}"))
    code = {"yuyv": cv2.COLOR_YUV2RGB_YUY2, "uyvy": cv2.COLOR_YUV2RGB_UYVY}[frame_format]
    return cv2.cvtColor(noise(height * width * 2, seed).reshape(height, width, 2), code)


def letterbox(image, size, pad, align):
    frame, scaled = image.shape[:2], None
    ratio = min(size[0] / frame[0], size[1] / frame[1])
    if align == "center":
        scaled = [max(round(side * ratio), 1) for side in frame]
        border = [(size[axis] - scaled[axis]) / 2 for axis in (0, 1)]
        offset = [round(side - 0.1) for side in border]
    else:
        scaled, offset = [max(int(side * ratio), 1) for side in frame], [0, 0]
    canvas = np.full((*size, *image.shape[2:]), pad, np.uint8)
    area = tuple(slice(offset[axis], offset[axis] + scaled[axis]) for axis in (0, 1))
    canvas[area] = scale(image, scaled, "opencv-linear")
    return canvas, scaled, offset


def scale(image, size, name):
    height, width = size
    if name == "opencv-linear":
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def center_crop(image, size, crop_fraction, name):
    frame = list(image.shape[:2])
    if size[0] == size[1] and frame == list(size):
        scaled = frame
    elif size[0] == size[1]:
        wanted = math.floor(size[0] / crop_fraction)
        short, long = sorted(frame)
        long = int(wanted * long / short)
        scaled = [long, wanted] if frame[1] <= frame[0] else [wanted, long]
    else:
        scaled = [math.floor(side / crop_fraction) for side in size]
    image = scale(image, scaled, name) if scaled != frame else image
    missing = [max(size[axis] - scaled[axis], 0) for axis in (0, 1)]
    padding = [(side // 2, (side + 1) // 2) for side in missing]
    image = np.pad(image, padding + [(0, 0)] * (image.ndim - 2))
    start = [int(round((image.shape[axis] - size[axis]) / 2.0)) for axis in (0, 1)]
    image = image[start[0] : start[0] + size[0], start[1] : start[1] + size[1]]
    return image, scaled, [padding[axis][0] - start[axis] for axis in (0, 1)]


def tensor_of(image, spec):
    """`image` is in the model's channels, HWC."""
    normalise = spec.get("normalise", {})
    values = image.astype(np.float32) / np.float32(normalise.get("divide", 1.0))
    if "mean" in normalise:
        values = values - np.array(normalise["mean"], np.float32)
    if "std" in normalise:
        values = values / np.array(normalise["std"], np.float32)
    assert values.dtype == np.float32
    return np.ascontiguousarray(values.transpose(2, 0, 1) if spec["layout"] == "nchw" else values)


def case(frame_format, frame, seed, spec):
    image = rgb_of(frame_format, *frame, seed)
    if spec["channels"] == "gray" and image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    resize = spec["resize"]
    if resize["mode"] == "letterbox":
        image, scaled, offset = letterbox(image, spec["size"], resize["pad"], resize["align"])
    elif resize["mode"] == "stretch":
        scaled, offset = spec["size"], [0, 0]
        image = scale(image, scaled, resize["filter"])
    else:
        image, scaled, offset = center_crop(image, spec["size"], resize["crop_fraction"], resize["filter"])
    if image.ndim == 2:
        image = np.stack([image] * (1 if spec["channels"] == "gray" else 3), axis=-1)
    elif spec["channels"] == "bgr":
        image = image[..., ::-1]
    crc = zlib.crc32(tensor_of(image, spec).tobytes())
    return {"format": frame_format, "frame": list(frame), "seed": seed, "input": spec,
            "scaled": list(scaled), "offset": list(offset), "crc": crc}


def spec_of(size, resize, channels="rgb", layout="nhwc", **normalise):
    spec = {"size": list(size), "layout": layout, "channels": channels, "resize": resize}
    return spec | ({"normalise": normalise} if normalise else {})


def letterboxed(align):
    return {"mode": "letterbox", "pad": 114, "align": align}


def stretched(name):
    return {"mode": "stretch", "filter": name}


def cropped(fraction, name):
    return {"mode": "center-crop", "crop_fraction": fraction, "filter": name}


def sides(rng, low, high):
    return [rng.randint(low, high), rng.randint(low, high)]


# [height, width]: rounding and border cases, one-pixel sides, camera sizes, exact ratios.
SPECIAL = [(1080, 1920), (427, 640), (375, 500), (721, 1280), (1, 3000), (3000, 1), (333, 1001), (480, 641),
           (753, 1337), (640, 640), (320, 320), (1280, 1280), (1, 1), (2, 3), (160, 320), (49, 49), (3, 640)]


def letterbox_cases(rng):
    for align in ("center", "top-left"):
        for frame in SPECIAL:
            yield "rgb8", frame, spec_of((640, 640), letterboxed(align), layout="nchw")
            yield "rgb8", frame, spec_of((416, 416), letterboxed(align))
    for i in range(200):
        high = (60, 400, 400, 900)[i % 4]
        yield "rgb8", sides(rng, 1, high), spec_of(sides(rng, 1, 384), letterboxed(("center", "top-left")[i % 2]))
    for _ in range(60):
        yield "rgb8", sides(rng, 1, 500), spec_of(sides(rng, 1, 500), stretched("opencv-linear"))
    for _ in range(20):
        yield "rgb8", sides(rng, 10, 300), spec_of([rng.randint(20, 224)] * 2, cropped(0.875, "opencv-linear"))


def color_cases(rng):
    for name in ("rgb8", "bgr8", "gray8", "nv12", "nv21", "yuyv", "uyvy"):
        for channels in ("rgb", "bgr", "gray"):
            for frame, size in (((96, 128), (96, 128)), ((180, 322), (128, 96)), ((34, 46), (96, 128)), ((2, 2), (9, 7))):
                yield name, frame, spec_of(size, letterboxed("center"), channels)
            yield name, (58, 94), spec_of((40, 40), cropped(0.875, "pil-bilinear"), channels, "nchw")


def pillow_cases(rng):
    for i in range(160):
        high = (60, 400, 400, 900)[i % 4]
        name = "rgb8" if i % 5 else "gray8"
        yield name, sides(rng, 1, high), spec_of(sides(rng, 1, 300), stretched("pil-bilinear"))
    for i in range(60):
        fraction = (0.875, 1.0, 0.95, 1.3)[i % 4]
        size = [rng.randint(8, 256)] * 2 if i % 3 else sides(rng, 8, 256)
        yield "rgb8", sides(rng, 8, 600), spec_of(size, cropped(fraction, "pil-bilinear"))
    for frame, size, fraction in (((1080, 1920), 224, 0.875), ((224, 224), 224, 0.875), ((224, 225), 224, 1.0),
                                  ((500, 375), 224, 0.875), ((1, 500), 32, 1.0), ((256, 256), 224, 0.875)):
        yield "rgb8", frame, spec_of([size] * 2, cropped(fraction, "pil-bilinear"))


def tensor_cases(rng):
    imagenet = {"divide": 255.0, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    for layout in ("nchw", "nhwc"):
        for frame in ((1080, 1920), (753, 1337), (480, 640), (100, 37)):
            yield "rgb8", frame, spec_of((320, 320), letterboxed("center"), "rgb", layout, divide=255.0)
            yield "bgr8", frame, spec_of((416, 416), letterboxed("top-left"), "bgr", layout)
            yield "rgb8", frame, spec_of((224, 224), cropped(0.875, "pil-bilinear"), "rgb", layout, **imagenet)
            yield "rgb8", frame, spec_of((224, 224), cropped(0.875, "pil-bilinear"), "rgb", layout, divide=127.5, mean=[1.0] * 3)
            yield "gray8", frame, spec_of((65, 91), stretched("opencv-linear"), "gray", layout, divide=255.0, mean=[0.5], std=[0.5])


def main():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    made_with = {"opencv": cv2.__version__, "pillow": PIL.__version__, "numpy": np.__version__, "machine": platform.machine()}
    for name, cases in (("letterbox", letterbox_cases), ("color", color_cases), ("pillow", pillow_cases), ("tensor", tensor_cases)):
        rng = random.Random(name)
        lines = [json.dumps(case(*given[:2], seed, given[2]), separators=(",", ":")) for seed, given in enumerate(cases(rng))]
        text = '{"made_with":%s,"cases":[\n%s\n]}\n' % (json.dumps(made_with), ",\n".join(lines))
        (GOLDEN / f"frames_{name}.json").write_text(text)
        print(name, len(lines), "cases", len(text), "bytes")


if __name__ == "__main__":
    main()
