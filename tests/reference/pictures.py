"""Small picture files and what cv2.imread(path, IMREAD_COLOR) makes of them.

Writes sdk/vision/tests/pictures/NAME.EXT and, as the reference, NAME.EXT.ppm (RGB8).
Everything is generated. Needs numpy, opencv-python-headless==5.0.0.93 and pillow==13.0.0:

    python tests/reference/pictures.py
"""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

OUT = Path(__file__).resolve().parents[2] / "sdk/vision/tests/pictures"
WIDTH, HEIGHT = 19, 13  # odd: the last chroma sample stands for one pixel only


def scene(channels, depth=8):
    """Slopes, an edge and noise, so that rounding and upsampling both show."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [x * 13, y * 19, (x + y) * 8, 255 - x * 9][:channels]
    picture = np.stack(planes, axis=-1) + rng.integers(-20, 20, (HEIGHT, WIDTH, channels))
    picture[4:9, 6:12, 0] = 240
    picture = np.clip(picture, 0, 255)
    if depth == 16:
        return (picture * 257 + rng.integers(-128, 128, picture.shape)).clip(0, 65535).astype(np.uint16)
    return picture.astype(np.uint8)


def pil(name, image, **options):
    image.save(OUT / name, **options)


def opencv(name, pixels, *options):
    assert cv2.imwrite(str(OUT / name), pixels, list(options))


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def jpegs():
    rgb = Image.fromarray(scene(3))
    for name, sampling in [("444", cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444), ("440", cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440),
                           ("422", cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422), ("420", cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
                           ("411", cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411)]:
        opencv(f"{name}.jpg", scene(3), cv2.IMWRITE_JPEG_QUALITY, 80, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling)
    opencv("restart.jpg", scene(3), cv2.IMWRITE_JPEG_RST_INTERVAL, 1)
    pil("progressive.jpg", rgb, quality=70, progressive=True)
    pil("coarse.jpg", rgb, quality=5)
    pil("stored-rgb.jpg", rgb, quality=90, keep_rgb=True)
    pil("gray.jpg", Image.fromarray(scene(1)[..., 0]), quality=85)
    pil("cmyk.jpg", Image.fromarray(scene(4), "CMYK"), quality=85)
    for orientation in range(1, 9):
        pil(f"orientation-{orientation}.jpg", rgb, quality=60, exif=exif(orientation))


def pngs():
    rgb = Image.fromarray(scene(3))
    opencv("rgb16.png", scene(3, 16))
    opencv("rgba16.png", scene(4, 16))
    opencv("gray16.png", scene(1, 16))
    pil("rgb8.png", rgb)
    pil("rgba8.png", Image.fromarray(scene(4)))
    pil("gray8.png", Image.fromarray(scene(1)[..., 0]))
    pil("gray-alpha.png", Image.fromarray(scene(2), "LA"))
    pil("palette.png", rgb.quantize(20))
    pil("palette-transparent.png", rgb.quantize(20), transparency=3)
    pil("rgb-transparent.png", rgb, transparency=tuple(int(v) for v in scene(3)[0, 0]))
    pil("one-bit.png", Image.fromarray(scene(1)[..., 0]).convert("1"))
    pil("orientation-6.png", rgb, exif=exif(6))


def bmp16(name, masks):
    """A BMP with 16 bits a pixel; masks for red, green and blue, or none for 5-5-5."""
    rng = np.random.default_rng(3)
    stride = (WIDTH * 2 + 3) // 4 * 4
    rows = bytearray()
    for _ in range(HEIGHT):
        rows += rng.integers(0, 1 << 15, WIDTH, dtype=np.uint16).tobytes().ljust(stride, b"\0")
    extra = struct.pack("<3I", *masks) if masks else b""
    start = 54 + len(extra)
    header = struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start)
    info = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 16, 3 if masks else 0, len(rows), 0, 0, 0, 0)
    (OUT / name).write_bytes(header + info + extra + rows)


def bmps():
    rgb = Image.fromarray(scene(3))
    pil("rgb24.bmp", rgb)
    pil("rgba32.bmp", Image.fromarray(scene(4)))
    pil("palette.bmp", rgb.quantize(20))
    pil("gray.bmp", Image.fromarray(scene(1)[..., 0]))
    pil("one-bit.bmp", Image.fromarray(scene(1)[..., 0]).convert("1"))
    bmp16("rgb555.bmp", None)
    bmp16("rgb565.bmp", (0xF800, 0x07E0, 0x001F))


def tiffs():
    rgb = Image.fromarray(scene(3))
    for name, compression in [("plain", None), ("lzw", "tiff_lzw"), ("deflate", "tiff_adobe_deflate"),
                              ("packbits", "packbits")]:
        pil(f"{name}.tif", rgb, compression=compression)
    opencv("rgb16.tif", scene(3, 16))
    opencv("gray16.tif", scene(1, 16))
    pil("gray8.tif", Image.fromarray(scene(1)[..., 0]))
    pil("one-bit.tif", Image.fromarray(scene(1)[..., 0]).convert("1"))
    pil("orientation-3.tif", rgb, exif=exif(3))


def webps():
    rgb = Image.fromarray(scene(3))
    pil("lossless.webp", rgb, lossless=True)
    pil("lossy.webp", rgb, quality=60)
    pil("lossy-alpha.webp", Image.fromarray(scene(4)), quality=60)
    pil("lossless-alpha.webp", Image.fromarray(scene(4)), lossless=True, exact=True)
    pil("orientation-6.webp", rgb, lossless=True, exif=exif(6))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    jpegs(), pngs(), bmps(), tiffs(), webps()
    for path in sorted(OUT.iterdir()):
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        assert bgr is not None and bgr.dtype == np.uint8, path
        height, width = bgr.shape[:2]
        ppm = f"P6 {width} {height} 255\n".encode() + bgr[..., ::-1].tobytes()
        path.with_name(path.name + ".ppm").write_bytes(ppm)


if __name__ == "__main__":
    main()
