"""A picture resized to frames of given sizes: frames.py PICTURE FOLDER WIDTHxHEIGHT..."""

import pathlib
import sys

import cv2

picture, folder, *sizes = sys.argv[1:]
pixels = cv2.imread(picture)
if pixels is None:
    sys.exit(f"{picture} is not a picture that OpenCV reads")
for size in sizes:
    width, height = map(int, size.split("x"))
    frame = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(pathlib.Path(folder) / f"{size}.png"), frame)
