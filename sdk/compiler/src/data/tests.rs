//! Data sets as people store them, and what is refused.

use std::fs;
use std::path::Path;

use farsight_spec::Task::{Classify, Detect, Segment, Tensors};
use tempfile::TempDir;

use super::{DataError, Dataset, LabelForm, Samples, TruthRect};

/// Files under a new folder. Nothing is decoded, so pictures may hold anything.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn labels(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

fn name_of(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().to_string_lossy().into_owned()
}

/// `picture: class class …`, sample by sample.
fn outline(set: &Dataset, root: &Path) -> Vec<String> {
    match &set.samples {
        Samples::Detect(s) => s
            .iter()
            .map(|s| {
                let classes: String = s.boxes.iter().map(|b| format!(" {}", b.class)).collect();
                format!("{}:{classes}", name_of(root, &s.picture))
            })
            .collect(),
        Samples::Classify(s) => {
            s.iter().map(|s| format!("{}: {}", name_of(root, &s.picture), s.class)).collect()
        }
        Samples::MultiLabel(s) => s
            .iter()
            .map(|s| {
                let classes: String = s.classes.iter().map(|class| format!(" {class}")).collect();
                format!("{}:{classes}", name_of(root, &s.picture))
            })
            .collect(),
        Samples::Segment(s) => {
            s.iter().map(|s| format!("{}: {}", name_of(root, &s.picture), name_of(root, &s.mask))).collect()
        }
        Samples::Unlabelled(s) => s.iter().map(|path| name_of(root, path)).collect(),
    }
}

#[test]
fn yolo_files_beside_or_in_a_sister_folder() {
    let beside: &[(&str, &str)] = &[
        ("b.jpg", ""),
        ("b.txt", "0 0.5 0.5 0.2 0.2\r\n1 .1 .1 .1 .1\n0 0.5 0.5 0.2 0.2\n\n"),
        ("a.png", ""),
        ("a.txt", ""),
        ("c.jpg", ""),
        ("classes.txt", "cow\nhorse\n"),
    ];
    let sister: &[(&str, &str)] = &[
        ("images/val/b.jpg", ""),
        ("labels/val/b.txt", "0 0.5 0.5 0.2 0.2\n1 0.1 0.1 0.1 0.1"),
        ("images/val/a.png", ""),
        ("labels/val/a.txt", "\n"),
        ("images/val/c.jpg", ""),
    ];
    for (files, at, prefix) in
        [(beside, "", ""), (sister, "", "images/val/"), (sister, "images/val", "images/val/")]
    {
        let root = folder(files);
        let set = Dataset::open(root.path().join(at), Detect, &labels(&["cow", "horse"])).unwrap();
        let expected = ["a.png:", "b.jpg: 0 1", "c.jpg:"].map(|line| format!("{prefix}{line}"));
        assert_eq!(outline(&set, root.path()), expected);
        assert_eq!((set.found.boxes, set.found.empty, set.found.unlabelled), (2, 1, 1));
        assert_eq!(set.found.labels, Some(LabelForm::Yolo));
    }
}

#[test]
fn yolo_polygons_become_boxes_and_flat_boxes_are_counted() {
    let root = folder(&[("a.jpg", ""), ("a.txt", "0 0.1 0.2 0.5 0.3 0.3 0.6\n0 .5 .5 0 .1\n")]);
    let set = Dataset::open(root.path(), Detect, &[]).unwrap();
    let Samples::Detect(samples) = &set.samples else { panic!("{set:?}") };
    let [only] = samples[0].boxes.as_slice() else { panic!("{samples:?}") };
    let corners = only.rect.in_pixels([100, 1000]);
    for (found, expected) in corners.iter().zip([100.0, 20.0, 500.0, 60.0]) {
        assert!((found - expected).abs() < 1e-9, "{corners:?}");
    }
    assert_eq!(set.found.flat_boxes, 1);
    assert_eq!(
        set.found.to_string(),
        "1 samples, 1 boxes from YOLO label files, 1 boxes without an area, left out"
    );
}

#[test]
fn bad_yolo_lines_are_named() {
    for (line, words) in [
        ("0 0.5 0.5 0.2", "4 values"),
        ("0 0.5 0.5 0.2 0.2 0.9", "6 values"),
        ("cow 0.5 0.5 0.2 0.2", "\"cow\""),
        ("-1 0.5 0.5 0.2 0.2", "class -1"),
        ("0.5 0.5 0.5 0.2 0.2", "class 0.5"),
        ("NaN 0.5 0.5 0.2 0.2", "class NaN"),
        ("0 NaN 0.5 0.2 0.2", "coordinate NaN"),
        ("0 inf 0.5 0.2 0.2", "coordinate inf"),
        ("0 320 240 64 64", "coordinate 320"),
        ("0 0.5 -0.5 0.2 0.2", "coordinate -0.5"),
        ("0 0.5 0.5 -0.005 0.2", "-0.005 x 0.2"),
        ("1e300 0.5 0.5 0.2 0.2", "class 1"),
        ("2 0.5 0.5 0.2 0.2", "class 2"),
    ] {
        let root = folder(&[("a.jpg", ""), ("a.txt", &format!("0 0.5 0.5 0.2 0.2\n{line}\n"))]);
        let message = Dataset::open(root.path(), Detect, &labels(&["cow", "horse"])).unwrap_err().to_string();
        assert!(message.contains("a.txt, line 2") && message.contains(words), "{line}: {message}");
    }
}

const COCO: &str = r#"{
    "info": {}, "licenses": [],
    "images": [{"id": 7, "file_name": "b.jpg", "width": 640, "height": 480},
               {"id": 3, "file_name": "a.jpg", "width": 640, "height": 480}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 90, "bbox": [10, 20, 30.5, 40], "iscrowd": 0, "segmentation": [[1, 2]]},
        {"id": 2, "image_id": 7, "category_id": 18, "bbox": [0, 0, 640.5, 480], "iscrowd": 1},
        {"id": 3, "image_id": 7, "category_id": 18, "bbox": [5, 5, 0, 9]}],
    "categories": [{"id": 90, "name": "Zebra"}, {"id": 18, "name": "polar_bear"}]
}"#;

#[test]
fn coco_beside_the_pictures_or_in_coco_s_own_layout() {
    for (json, pictures) in [
        ("labels.json", ""),
        ("annotations/instances_val2017.json", "val2017/"),
        ("annotations/instances_val2017.json", "images/val2017/"),
        ("annotations/all.json", "images/"),
    ] {
        let root =
            folder(&[(json, COCO), (&format!("{pictures}a.jpg"), ""), (&format!("{pictures}b.jpg"), "")]);
        for path in [root.path().to_owned(), root.path().join(json)] {
            for (names, classes) in [
                (labels(&[]), [1, 0]),
                (labels(&["x", "zebra", "y", "polar bear"]), [1, 3]),
                (labels(&["p", "q"]), [1, 0]),
            ] {
                let set = Dataset::open(&path, Detect, &names).unwrap();
                let Samples::Detect(samples) = &set.samples else { panic!("{set:?}") };
                assert!(
                    samples[0].picture.ends_with(format!("{pictures}a.jpg")) && samples[0].boxes.is_empty()
                );
                let found: Vec<_> = samples[1].boxes.iter().map(|b| (b.class, b.crowd)).collect();
                assert_eq!(found, [(classes[0], false), (classes[1], true)], "{names:?}");
                assert_eq!(samples[1].boxes[0].rect, TruthRect::Pixels([10.0, 20.0, 30.5, 40.0]));
                assert_eq!((set.found.boxes, set.found.empty, set.found.flat_boxes), (2, 1, 1));
            }
        }
    }
}

#[test]
fn bad_coco_is_named() {
    for (old, new, words) in [
        ("[10, 20, 30.5, 40]", "[10, 20, -1, 40]", "annotation 1 with the box"),
        ("[10, 20, 30.5, 40]", "[10, 20, 700, 40]", "640 x 480"),
        ("[10, 20, 30.5, 40]", "[10, 20, 30]", "invalid length 3"),
        ("\"category_id\": 90", "\"category_id\": 91", "category_id 91"),
        ("\"image_id\": 7, \"category_id\": 90", "\"image_id\": 8, \"category_id\": 90", "image_id 8"),
        ("\"id\": 3, \"file_name\"", "\"id\": 7, \"file_name\"", "two images"),
        ("{\"id\": 90, \"name\"", "{\"id\": 18, \"name\"", "two categories"),
        ("\"a.jpg\"", "\"missing.jpg\"", "missing.jpg"),
        ("\"a.jpg\"", "\"../a.jpg\"", "../a.jpg"),
        ("\"a.jpg\"", "\"/etc/passwd\"", "/etc/passwd"),
        ("\"info\": {}", "\"info\": {", "COCO JSON"),
    ] {
        assert!(COCO.contains(old), "{old}");
        let root = folder(&[("set.json", &COCO.replacen(old, new, 1)), ("a.jpg", ""), ("b.jpg", "")]);
        let message = Dataset::open(root.path(), Detect, &[]).unwrap_err().to_string();
        assert!(message.contains("set.json") && message.contains(words), "{new}: {message}");
    }
    let root = folder(&[("set.json", COCO), ("a.jpg", ""), ("b.jpg", "")]);
    let message = Dataset::open(root.path(), Detect, &labels(&["a", "b", "c"])).unwrap_err().to_string();
    assert!(message.contains("3 classes"), "{message}");
    let root = folder(&[("a.json", COCO), ("b.json", COCO), ("a.jpg", "")]);
    assert!(matches!(Dataset::open(root.path(), Detect, &[]), Err(DataError::Several { .. })));
}

#[test]
fn classes_from_folders() {
    let names = labels(&["horse", "polar bear", "cow"]);
    let files = |a: &str, b: &str| {
        folder(&[(&format!("{a}/1.jpg"), ""), (&format!("{b}/2.jpg"), ""), ("lone.jpg", "")])
    };
    for (a, b, names, expected) in [
        ("Cow", "polar_bear", &names, [2, 1]),
        ("n01440764_cow", "n02000000_horse", &names, [2, 0]),
        ("0", "2", &names, [0, 2]),
        ("left", "right", &labels(&[]), [0, 1]),
    ] {
        let root = files(a, b);
        let set = Dataset::open(root.path(), Classify, names).unwrap();
        let lines = [format!("{a}/1.jpg: {}", expected[0]), format!("{b}/2.jpg: {}", expected[1])];
        assert_eq!(outline(&set, root.path()), lines);
        assert_eq!((set.found.labels, set.found.unlabelled), (Some(LabelForm::Folders), 1));
    }
    let root = files("cow", "sheep");
    let message = Dataset::open(root.path(), Classify, &names).unwrap_err().to_string();
    assert!(message.contains("sheep") && message.contains("3 classes"), "{message}");
}

#[test]
fn classes_from_a_csv() {
    let names = labels(&["horse", "tench, Tinca tinca", "cow"]);
    let pictures = [("x/1.jpg", ""), ("2.jpg", "")];
    for csv in [
        "file,label\n2.jpg,cow\nx/1.jpg,Tench\n",
        "\u{feff}2.jpg;2;more\r\n\r\nx/1.jpg;\"tench, Tinca tinca\"\r\n",
    ] {
        let root = folder(&[&pictures[..], &[("labels.csv", csv)]].concat());
        for path in [root.path().to_owned(), root.path().join("labels.csv")] {
            let set = Dataset::open(path, Classify, &names).unwrap();
            assert_eq!(outline(&set, root.path()), ["2.jpg: 2", "x/1.jpg: 1"]);
        }
    }
    for csv in [
        "file,label\n2.jpg,cow\nx/1.jpg,horse\n2.jpg,horse\n",
        "file;labels\n2.jpg;cow|horse\nx/1.jpg;horse\n",
        "file,labels\nx/1.jpg,horse\n2.jpg,horse; cow\n",
    ] {
        let root = folder(&[&pictures[..], &[("labels.csv", csv)]].concat());
        let set = Dataset::open(root.path(), Classify, &names).unwrap();
        assert_eq!(outline(&set, root.path()), ["2.jpg: 0 2", "x/1.jpg: 0"], "{csv}");
    }
    for (csv, line, words) in [
        ("2.jpg,cow\n2.jpg,cow\n", 2, "again"),
        ("file,labels\n2.jpg,cow;cow\n", 2, "again"),
        ("file,labels\n2.jpg,cow;sheep\n", 2, "sheep"),
        ("2.jpg\n", 1, "one field"),
        ("file,label\n3.jpg,cow\n", 2, "3.jpg"),
        ("2.jpg,sheep\n", 1, "sheep"),
        ("2.jpg,3\n", 1, "3 classes (0 to 2)"),
    ] {
        let root = folder(&[&pictures[..], &[("labels.csv", csv)]].concat());
        let message = Dataset::open(root.path(), Classify, &names).unwrap_err().to_string();
        assert!(
            message.contains(&format!("labels.csv, line {line}")) && message.contains(words),
            "{message}"
        );
    }
}

#[test]
fn classes_from_wordnet_ids_where_two_labels_have_one_name() {
    let names = labels(&["background", "crane", "goose", "bucket, pail", "crane", "drill"]);
    let root =
        folder(&[("n02012849_crane.JPEG", ""), ("n01855672_goose.JPEG", ""), ("n02909870_bucket.JPEG", "")]);
    let set = Dataset::open(root.path(), Classify, &names);
    // Between the goose and the bucket there is no crane in this list: not told by the order.
    assert!(matches!(set, Err(DataError::Ambiguous { .. })), "{set:?}");
    let root =
        folder(&[("n03126707_crane.JPEG", ""), ("n01855672_goose.JPEG", ""), ("n02909870_bucket.JPEG", "")]);
    let set = Dataset::open(root.path(), Classify, &names).unwrap();
    assert_eq!(
        outline(&set, root.path()),
        ["n01855672_goose.JPEG: 2", "n02909870_bucket.JPEG: 3", "n03126707_crane.JPEG: 4"]
    );
    let root = folder(&[("n01855672_unicorn.JPEG", "")]);
    let message = Dataset::open(root.path(), Classify, &names).unwrap_err().to_string();
    assert!(message.contains("unicorn"), "{message}");
}

#[test]
fn masks_by_folder_and_by_name() {
    for (files, expected, alone) in [
        (
            &["images/a.1.jpg", "images/sub/b.tif", "images/c.jpg", "masks/a.1.png", "masks/sub/b_mask.tif"]
                [..],
            &["images/a.1.jpg: masks/a.1.png", "images/sub/b.tif: masks/sub/b_mask.tif"][..],
            1,
        ),
        (&["bird.bmp", "bird_mask.bmp", "cat.bmp"], &["bird.bmp: bird_mask.bmp"], 1),
        (&["a.jpg", "a.png", "b.jpg", "b.png"], &["a.jpg: a.png", "b.jpg: b.png"], 0),
    ] {
        let root = folder(&files.iter().map(|&name| (name, "")).collect::<Vec<_>>());
        let set = Dataset::open(root.path(), Segment, &[]).unwrap();
        assert_eq!(outline(&set, root.path()), expected);
        assert_eq!(set.found.unlabelled, alone);
    }
}

#[test]
fn inputs_without_labels() {
    let root = folder(&[
        ("b.jpg", ""),
        ("a/x.npy", ""),
        ("c.TIF", ""),
        ("unnamed", "\u{89}"),
        ("notes.md", ""),
        (".hidden.jpg", ""),
        ("__MACOSX/d.jpg", ""),
    ]);
    fs::write(root.path().join("nameless"), b"\xFF\xD8\xFF\xE0").unwrap();
    for task in [Detect, Classify, Segment, Tensors] {
        let set = Dataset::open(root.path(), task, &[]).unwrap();
        assert_eq!(outline(&set, root.path()), ["a/x.npy", "b.jpg", "c.TIF", "nameless"], "{task:?}");
        assert!(!set.is_labelled());
        assert_eq!(set.found.to_string(), "4 samples, no labels");
    }
    let one = Dataset::open(root.path().join("b.jpg"), Detect, &[]).unwrap();
    assert_eq!(one.len(), 1);
}

#[test]
fn nothing_and_nowhere() {
    let root = folder(&[("notes.txt", "")]);
    assert!(matches!(Dataset::open(root.path(), Detect, &[]), Err(DataError::Nothing { .. })));
    assert!(matches!(Dataset::open(root.path().join("missing"), Detect, &[]), Err(DataError::Io { .. })));
}

#[test]
fn a_part_is_spread_over_all() {
    let files: Vec<_> = (0..10).map(|i| format!("{i}.jpg")).collect();
    let root = folder(&files.iter().map(|name| (name.as_str(), "")).collect::<Vec<_>>());
    let set = Dataset::open_inputs(root.path()).unwrap();
    assert_eq!(set.spread(4), [0, 2, 5, 7]);
    assert_eq!(set.spread(100), (0..10).collect::<Vec<_>>());
    assert_eq!(set.inputs().len(), 10);
}

#[cfg(unix)]
#[test]
fn loops_of_links_end() {
    let root = folder(&[("a.jpg", "")]);
    std::os::unix::fs::symlink(root.path(), root.path().join("again")).unwrap();
    assert!(Dataset::open_inputs(root.path()).unwrap().len() < 100);
}
