"""What a YOLOv8-style detector finds in pictures, by cv2 and ONNX Runtime: cattle.py MODEL FOLDER

Letterbox, decoding, NMS and scaling follow ultralytics 8.4.190 as a static export is run by it
(full canvas, padding 114, best class only), written anew with numpy. Prints one JSON document:
pictures in the order of their names with boxes [x1, y1, x2, y2] in picture pixels, scores and
classes, best first. With --ap also AP50-95 and AP50 by pycocotools, against the YOLO labels beside
the pictures or in a sister folder labels/ (call it with --conf .001 then).
"""

import argparse
import contextlib
import json
import os
import pathlib
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the library loads: it would write and send otherwise

import cv2
import numpy as np
import onnxruntime

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png"}
CLASS_OFFSET = np.float32(7680)  # moves the boxes of one class away from those of the next
MAX_CANDIDATES = 30000
MAX_DETECTIONS = 300


def main():
    call = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    call.add_argument("model")
    call.add_argument("folder", type=pathlib.Path)
    call.add_argument("--conf", type=float, default=0.25)
    call.add_argument("--iou", type=float, default=0.7)
    call.add_argument("--output", help="the output to decode; by default the first")
    call.add_argument("--ap", action="store_true")
    call = call.parse_args()

    session = onnxruntime.InferenceSession(call.model, providers=["CPUExecutionProvider"])
    files = sorted(file for file in call.folder.iterdir() if file.suffix.lower() in SUFFIXES)
    pictures = [detect(session, file, call) for file in files]
    report = {
        "conf": call.conf,
        "iou": call.iou,
        "versions": {m.__name__: m.__version__ for m in (cv2, np, onnxruntime)},
        "pictures": pictures,
    }
    if call.ap:
        report["ap50_95"], report["ap50"] = average_precision(files, pictures)
    json.dump(report, sys.stdout)


def detect(session, file, call):
    """One picture's entry in the report."""
    picture = cv2.imread(str(file))
    if picture is None:
        sys.exit(f"{file} is not a picture that OpenCV reads")
    size = session.get_inputs()[0].shape[2:]
    tensor = preprocess(picture, size)
    output = call.output or session.get_outputs()[0].name
    (prediction,) = session.run([output], {session.get_inputs()[0].name: tensor})
    boxes, scores, classes = decode(prediction[0], call.conf)
    kept = nms(boxes + classes[:, None].astype(np.float32) * CLASS_OFFSET, scores, call.iou)[:MAX_DETECTIONS]
    return {
        "file": file.name,
        "width": picture.shape[1],
        "height": picture.shape[0],
        "boxes": scale_boxes(boxes[kept], size, picture.shape[:2]).tolist(),
        "scores": scores[kept].tolist(),
        "classes": classes[kept].tolist(),
    }


def placement(size, frame):
    """Height and width of the scaled picture on its canvas, then its top and left."""
    gain = min(size[0] / frame[0], size[1] / frame[1])
    height, width = (max(round(side * gain), 1) for side in frame)
    return height, width, round((size[0] - height) / 2 - 0.1), round((size[1] - width) / 2 - 0.1)


def preprocess(picture, size):
    """1 x 3 x height x width of float32, RGB in 0..1, from BGR bytes."""
    height, width, top, left = placement(size, picture.shape[:2])
    if picture.shape[:2] != (height, width):
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    canvas = np.full((*size, 3), 114, np.uint8)
    canvas[top : top + height, left : left + width] = picture
    return np.ascontiguousarray(canvas[None, :, :, ::-1].transpose(0, 3, 1, 2)).astype(np.float32) / np.float32(255)


def decode(prediction, conf):
    """Boxes as corners, scores and classes of the candidates, from rows cx, cy, w, h, one score a class."""
    scores = prediction[4:].max(axis=0)
    classes = prediction[4:].argmax(axis=0)
    candidates = np.flatnonzero(scores.astype(np.float64) > conf)
    if len(candidates) > MAX_CANDIDATES:
        candidates = candidates[np.argsort(-scores[candidates], kind="stable")[:MAX_CANDIDATES]]
    centre, half = prediction[:2, candidates].T, prediction[2:4, candidates].T / 2
    return np.hstack([centre - half, centre + half]), scores[candidates], classes[candidates]


def nms(boxes, scores, iou):
    """Indices that are kept, best first, by torchvision's rule: float32 areas, dropped if IoU > iou."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        corner1 = np.maximum(boxes[best, :2], boxes[rest, :2])
        corner2 = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.maximum(corner2 - corner1, np.float32(0)).prod(axis=1)
        overlap = shared / (areas[best] + areas[rest] - shared)
        order = rest[~(overlap.astype(np.float64) > iou)]
    return np.array(kept, dtype=int)


def scale_boxes(boxes, size, frame):
    """From the canvas to the picture, clipped to it; each axis by the scale that rounding left it."""
    height, width, top, left = placement(size, frame)
    boxes = boxes - np.array([left, top, left, top], np.float32)
    boxes /= np.array([width / frame[1], height / frame[0]] * 2, np.float32)
    return boxes.clip(0, np.array([frame[1], frame[0]] * 2, np.float32))


def average_precision(files, pictures):
    """AP50-95 and AP50 over all pictures by the COCO rules (101 points, at most 100 detections each)."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found, categories = [], [], set()
    for number, (file, picture) in enumerate(zip(files, pictures)):
        for category, box in read_labels(file, picture["width"], picture["height"]):
            truth.append(annotation(number, category, box) | {"id": len(truth) + 1})
            categories.add(category)
        for box, score, category in zip(picture["boxes"], picture["scores"], picture["classes"]):
            x1, y1, x2, y2 = box
            found.append(annotation(number, category, [x1, y1, x2 - x1, y2 - y1]) | {"score": score})

    with contextlib.redirect_stdout(sys.stderr):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": number} for number in range(len(files))],
            "categories": [{"id": category} for category in sorted(categories)],
            "annotations": truth,
        }
        coco.createIndex()
        results = COCO()
        results.dataset = coco.dataset | {"annotations": [a | {"id": i + 1} for i, a in enumerate(found)]}
        results.createIndex()
        evaluation = COCOeval(coco, results, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])


def annotation(number, category, box):
    """A COCO annotation; its box is [x, y, width, height]."""
    box = [float(side) for side in box]
    return {"image_id": number, "category_id": category, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}


def read_labels(file, width, height):
    """(class, [x, y, width, height] in pixels) of a picture; an empty or missing file is an empty picture."""
    beside, sister = file.with_suffix(".txt"), file.parent.parent / "labels" / f"{file.stem}.txt"
    labels = next((path for path in (beside, sister) if path.exists()), None)
    for line in labels.read_text().splitlines() if labels else []:
        category, cx, cy, w, h = (float(word) for word in line.split()[:5])
        yield int(category), [(cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height]


if __name__ == "__main__":
    main()
