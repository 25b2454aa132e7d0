#!/usr/bin/env python3
"""Writes the goldens of farsight-vision's decoders and measures with the references themselves.

    pip install -r tests/reference/detect-requirements.txt
    git clone https://github.com/Megvii-BaseDetection/YOLOX && git -C YOLOX checkout 6ddff48
    python tests/reference/detect.py --yolox YOLOX

Inputs are not stored: this file and `sdk/vision/tests/detect_golden/generate.rs` make the same ones out of a
seed. Every value is an integer from a linear congruential generator, turned into float32 by steps that IEEE
754 leaves no choice in.
"""

import argparse
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from ultralytics.data.augment import LetterBox
from ultralytics.utils import nms, ops

GOLDEN = Path(__file__).parents[2] / "sdk/vision/tests/golden"
F32 = np.float32


class Lcg:
    """state = state * 6364136223846793005 + 1442695040888963407 (mod 2^64); a draw is its top 32 bits mod n."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 32) % n


def tensor(case):
    """[N, 4 + C], or [N, 5 + C] with objectness: centre, size, scores, of boxes crowded around a few places.

    In steps of `step` pixels (coarse: equal boxes and overlaps right on a threshold), scores in steps of
    1/`levels` (coarse: equal scores, and scores equal to conf); no levels: no two scores are equal, because the
    order in which torch's unstable sort leaves equal ones is nobody's contract.
    """
    lcg = Lcg(case["seed"])
    height, width = case["input"]
    step, levels, classes = F32(case["step"]), case["levels"], case["classes"]
    places = [(lcg.below(width), lcg.below(height), 8 + lcg.below(120), 8 + lcg.below(120)) for _ in range(case["places"])]
    rows = []
    for i in range(case["anchors"]):
        cx, cy, w, h = places[lcg.below(len(places))]
        spread = case["spread"]
        jitter = [F32(lcg.below(2 * spread + 1)) - F32(spread) for _ in range(4)]
        row = [F32(v) + j * step for v, j in zip((cx, cy, w, h), jitter)]
        if case["layout"] == "objectness":
            row.append(F32(lcg.below(levels + 1)) / F32(levels))
        likely = case["first_class"] + lcg.below(classes - case["first_class"])
        for c in range(classes):
            score = F32(lcg.below(levels + 1)) / F32(levels) if levels else F32(i * 7919 % case["anchors"]) / F32(case["anchors"])
            row.append(score if c == likely else score / F32(4))
        rows.append(row)
    return np.array(rows, dtype=F32)


def grid_tensor(case):
    """[N, 5 + C] as YOLOX gives it: offsets in the cell, logarithms of sizes, objectness, scores."""
    lcg = Lcg(case["seed"])
    levels, classes = case["levels"], case["classes"]
    rows = []
    for _ in range(case["anchors"]):
        row = [F32(lcg.below(257) - 128) / F32(64) for _ in range(4)]
        row.append(F32(lcg.below(levels + 1)) / F32(levels))
        row += [F32(lcg.below(levels + 1)) / F32(levels) for _ in range(classes)]
        rows.append(row)
    return np.array(rows, dtype=F32)


def letterbox_padding(frame, size):
    """Top and left border and scaled size, from the reference itself."""
    box = LetterBox(tuple(size), auto=False, scaleup=True)
    marked = box(image=np.full((*frame, 3), 200, np.uint8))[..., 0] != 114
    rows, columns = np.flatnonzero(marked.any(1)), np.flatnonzero(marked.any(0))
    return [int(len(rows)), int(len(columns))], [int(rows[0]), int(columns[0])]


def yolo(case):
    data = tensor(case)
    if case["layout"] == "objectness":
        # ultralytics/yolov5: gate on objectness, then scores times objectness.
        data = data[data[:, 4] > F32(case["conf"])]
        data = np.concatenate([data[:, :4], data[:, 5:] * data[:, 4:5]], 1)
    prediction = torch.from_numpy(np.ascontiguousarray(data.T))[None]
    found = nms.non_max_suppression(
        prediction,
        conf_thres=case["conf"],
        iou_thres=case["iou"],
        agnostic=case["agnostic"],
        max_det=case["max_det"],
    )[0]
    case["scaled"], case["offset"] = letterbox_padding(case["frame"], case["input"])
    ops.scale_boxes(case["input"], found[:, :4], case["frame"])
    return found.numpy()


def end_to_end(case):
    """[K, 6]: boxes by corners, scores falling, zero rows at the end."""
    lcg = Lcg(case["seed"])
    height, width = case["input"]
    rows = []
    for i in range(case["anchors"]):
        x, y = F32(lcg.below(width * 8)) / F32(8), F32(lcg.below(height * 8)) / F32(8)
        w, h = F32(lcg.below(1600)) / F32(8), F32(lcg.below(1600)) / F32(8)
        score, label = F32(case["anchors"] - i) / F32(case["anchors"]), F32(lcg.below(case["classes"]))
        rows.append([x, y, x + w, y + h, score, label] if i % 10 < 9 else [F32(0)] * 6)
    prediction = torch.from_numpy(np.array(rows, dtype=F32))[None]
    found = nms.non_max_suppression(prediction, conf_thres=case["conf"], max_det=case["max_det"])[0]
    case["scaled"], case["offset"] = letterbox_padding(case["frame"], case["input"])
    ops.scale_boxes(case["input"], found[:, :4], case["frame"])
    return found.numpy()


def yolox(case, demo):
    data = demo.demo_postprocess(grid_tensor(case)[None], tuple(case["input"]))[0]
    boxes, scores = data[:, :4], data[:, 4:5] * data[:, 5:]
    ratio = min(case["input"][0] / case["frame"][0], case["input"][1] / case["frame"][1])
    half = boxes[:, 2:] / 2.0
    boxes = np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], 1) / ratio
    found = demo.multiclass_nms(boxes, scores, nms_thr=case["iou"], score_thr=case["conf"], class_agnostic=case["agnostic"])
    case["scaled"], case["offset"] = [int(n * ratio) for n in case["frame"]], [0, 0]
    if found is None:
        return np.zeros((0, 6), F32)
    found = found[np.argsort(-found[:, 4], kind="stable")][: case["max_det"]]
    height, width = case["frame"]
    return np.concatenate([np.clip(found[:, :4], 0, [width, height, width, height]), found[:, 4:]], 1).astype(F32)


def cases():
    base = dict(
        layout="anchors", seed=1, first_class=0, input=[640, 640], frame=[1080, 1920], anchors=400, classes=3, places=12, spread=24,
        step=0.125, levels=4096, conf=0.25, iou=0.7, max_det=300, agnostic=False,
    )
    frames = [
        [1080, 1920], [427, 640], [375, 500], [721, 1280], [333, 1001], [480, 641], [1, 3000], [3000, 1], [640, 640],
        [96, 96], [10, 7], [1337, 753], [4000, 6000], [2160, 3840], [101, 640],
    ]
    for i, frame in enumerate(frames):
        yield dict(base, name=f"frame {frame}", seed=100 + i, frame=frame, max_det=25)
    yield dict(base, name="80 classes", classes=80, anchors=300, max_det=60)
    yield dict(base, name="80 classes, crowded", classes=80, anchors=600, places=2, iou=0.45, max_det=60)
    for iou in (0.8, 0.9):
        # Steps that the offset of a high class rounds away.
        yield dict(base, name=f"80 classes, fine, iou {iou}", classes=80, first_class=78, anchors=900, places=4, step=0.01, spread=300, iou=iou, max_det=60)
    yield dict(base, name="80 classes, agnostic", classes=80, anchors=300, agnostic=True)
    yield dict(base, name="80 classes, coarse, at thresholds", classes=80, anchors=500, step=2, spread=6, places=4, levels=16, iou=0.6, max_det=60)
    for iou in (0.0, 0.3, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        coarse = dict(step=2, spread=4, places=3, levels=8, anchors=500, classes=2, max_det=80)
        yield dict(base, **{**coarse, "name": f"ties, iou {iou}", "iou": iou, "seed": 40 + int(iou * 100)})
    yield dict(base, name="equal classes", classes=4, levels=2, anchors=300, max_det=40)
    yield dict(base, name="one class, low conf", classes=1, conf=0.001, max_det=120)
    yield dict(base, name="conf 0", classes=1, conf=0.0, levels=4, anchors=60)
    yield dict(base, name="nothing", conf=1.0)
    yield dict(base, name="one candidate", anchors=1, classes=1, conf=0.0)
    yield dict(base, name="416 x 416", input=[416, 416], frame=[1080, 1920], max_det=40)
    yield dict(base, name="384 x 640", input=[384, 640], frame=[1080, 1920], max_det=40)
    yield dict(base, name="more than 30000 candidates", classes=1, conf=0.0, iou=0.05, anchors=34000, places=900, levels=0, max_det=300)
    yield dict(base, name="anchors last", layout="anchors-last", classes=5, max_det=60)
    yield dict(base, name="anchors last, coarse", layout="anchors-last", classes=20, step=2, spread=5, levels=16, max_det=60)
    for i, classes in enumerate((1, 2, 80)):
        yield dict(base, name=f"objectness, {classes} classes", layout="objectness", classes=classes, seed=60 + i, iou=0.45, max_det=60)
    yield dict(base, name="objectness, coarse", layout="objectness", classes=4, levels=8, step=2, spread=5, iou=0.6, max_det=60)
    yield dict(base, name="end to end", layout="end-to-end", anchors=100, classes=80, max_det=300)
    yield dict(base, name="end to end, cut", layout="end-to-end", anchors=100, classes=80, conf=0.001, max_det=20)
    grid = dict(base, layout="grid", input=[96, 128], anchors=252, iou=0.45, conf=0.3, max_det=60)
    for i, frame in enumerate(([96, 128], [1080, 1920], [333, 1001], [50, 40], [721, 1280])):
        for agnostic in (True, False):
            kind = "together" if agnostic else "apart"
            yield dict(grid, name=f"grid, {kind}, frame {frame}", agnostic=agnostic, frame=frame, seed=80 + i, classes=3 + 10 * i, levels=1 << 22)


def short(value):
    """The shortest decimal that reads back as the same float32."""
    return float(str(F32(value)))


def write_detect(demo):
    done = []
    for case in cases():
        kind = {"end-to-end": end_to_end, "grid": lambda case: yolox(case, demo)}.get(case["layout"], yolo)
        found = kind(case)
        case["rows"] = [[short(v) for v in row] for row in found]
        done.append(case)
        print(f"{case['name']}: {len(found)}", file=sys.stderr)
    versions = {m.__name__: m.__version__ for m in (np, torch, torchvision)}
    versions["ultralytics"] = "8.4.190"
    lines = ",\n".join(json.dumps(case) for case in done)
    (GOLDEN / "detect.json").write_text(f'{{"versions": {json.dumps(versions)}, "cases": [\n{lines}\n]}}\n')


def write_ap():
    """Boxes of random pictures through pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    done = []
    for name, seed, pictures, classes, crowds, levels in (
        ("one class", 1, 12, 1, False, 1000),
        ("many classes", 2, 25, 7, False, 1000),
        ("equal scores", 3, 25, 3, False, 10),
        ("crowds", 4, 25, 3, True, 100),
        ("more than 100 a class", 5, 3, 1, False, 5000),
    ):
        many = 150 if seed == 5 else 12
        truths, found = ap_boxes(seed, pictures, classes, crowds, levels, many)
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i + 1} for i in range(pictures)],
            "categories": [{"id": c, "name": str(c)} for c in range(classes)],
            "annotations": [
                dict(id=i + 1, image_id=image + 1, category_id=label, bbox=xywh(box), area=box_area(box), iscrowd=crowd)
                for i, (image, box, label, crowd) in enumerate(truths)
            ],
        }
        coco.createIndex()
        results = [
            dict(image_id=image + 1, category_id=label, bbox=xywh(box), score=score) for image, box, label, score in found
        ]
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        conf = 0.5
        hits = kept = 0
        for image in evaluation.evalImgs:
            if image is None or image["aRng"] != [0, 1e10]:
                continue
            for score, match, ignore in zip(image["dtScores"], image["dtMatches"][0], image["dtIgnore"][0]):
                if score >= conf and not ignore:
                    kept += 1
                    hits += match > 0
        objects = sum(not crowd for *_, crowd in truths)
        scores = dict(ap50_95=evaluation.stats[0], ap50=evaluation.stats[1], precision=hits / kept, recall=hits / objects)
        setting = dict(name=name, seed=seed, pictures=pictures, classes=classes, crowds=crowds, levels=levels, many=many)
        done.append({**setting, "conf": conf, **{k: float(v) for k, v in scores.items()}})
    lines = ",\n".join(json.dumps(case) for case in done)
    (GOLDEN / "detect_ap.json").write_text(f'{{"versions": {{"pycocotools": "2.0.11"}}, "cases": [\n{lines}\n]}}\n')


def ap_boxes(seed, pictures, classes, crowds, levels, many):
    lcg = Lcg(seed)
    truths, found = [], []
    for image in range(pictures):
        for _ in range(lcg.below(many)):
            x, y, w, h = lcg.below(500), lcg.below(400), 10 + lcg.below(100), 10 + lcg.below(100)
            label = lcg.below(classes)
            truths.append((image, [x, y, x + w, y + h], label, int(crowds and lcg.below(4) == 0)))
            for _ in range(lcg.below(4)):
                shift = [lcg.below(21) - 10 for _ in range(4)]
                box = [x + shift[0], y + shift[1], x + w + shift[2] / 2 + 6, y + h + shift[3] / 2 + 6]
                seen = label if lcg.below(8) else lcg.below(classes)
                found.append((image, box, seen, float(F32(lcg.below(levels)) / F32(levels))))
    return truths, found


def xywh(box):
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def box_area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def write_labels():
    """Multi-label average precision by scikit-learn; nearest neighbour by PIL."""
    from PIL import Image
    from sklearn.metrics import average_precision_score

    ap = []
    for seed, samples, classes, levels in ((1, 60, 5, 1000), (2, 200, 19, 20), (3, 10, 2, 3)):
        lcg = Lcg(seed)
        scores, truth = np.zeros((samples, classes), F32), np.zeros((samples, classes), bool)
        for sample in range(samples):
            for label in range(classes):
                truth[sample, label] = sample == label or lcg.below(4) == 0
                scores[sample, label] = F32(lcg.below(levels)) / F32(levels)
        score = {a: float(average_precision_score(truth, scores, average=a)) for a in ("macro", "micro")}
        ap.append(dict(seed=seed, samples=samples, classes=classes, levels=levels, **score))
    nearest = []
    for seed, size, frame in ((1, [9, 13], [40, 31]), (2, [33, 21], [10, 50]), (3, [257, 257], [100, 77]), (4, [64, 64], [481, 641])):
        lcg = Lcg(seed)
        data = np.array([lcg.below(21) for _ in range(size[0] * size[1])], np.uint8).reshape(size)
        resized = np.asarray(Image.fromarray(data).resize(frame[::-1], Image.NEAREST), np.uint64).ravel()
        checksum = 0
        for value in resized.tolist():
            checksum = (checksum * 31 + value) % 2**64
        nearest.append(dict(seed=seed, size=size, frame=frame, checksum=str(checksum)))
    (GOLDEN / "detect_labels.json").write_text(json.dumps({"average_precision": ap, "nearest": nearest}, indent=1) + "\n")


def load_demo(checkout):
    spec = importlib.util.spec_from_file_location("demo_utils", Path(checkout) / "yolox/utils/demo_utils.py")
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    return demo


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--yolox", required=True, help="a checkout of Megvii-BaseDetection/YOLOX@6ddff48")
    demo = load_demo(parser.parse_args().yolox)
    GOLDEN.mkdir(parents=True, exist_ok=True)
    write_detect(demo)
    write_ap()
    write_labels()


if __name__ == "__main__":
    main()
