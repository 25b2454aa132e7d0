//! Exit status 2: the call itself was wrong, and nothing was done.

use std::ffi::OsStr;

use libtest_mimic::Trial;

use crate::needs::trial;
use crate::{farsight, models};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("calls::wrong_ones_end_with_2", &[], wrong),
        trial("calls::help_and_version_end_with_0", &[], help),
    ]
}

fn wrong() {
    let model = models::line();
    let model = model.to_str().unwrap();
    let cases: [(&[&str], &[&str]); 15] = [
        (&[], &["Usage"]),
        (&["fly"], &["fly"]),
        (&["run", "--fly", "a.farsight", "b.jpg"], &["--fly"]),
        (&["run", "a.farsight"], &["INPUTS"]),
        (&["run", "a.farsight", "b.jpg", "--conf", "3"], &["--conf", "0 to 1"]),
        (&["run", "a.farsight", "b.jpg", "--threads", "0"], &["--threads"]),
        (&["compile", model, "--spec", "resnet"], &["resnet", "known", "imagenet"]),
        (&["compile", model, "--spec", "yol"], &["yolo, yolox"]),
        (&["compile", model, "--target", "linux"], &["aarch64-linux", "x86_64-linux"]),
        (&["compile", model, "--precision", "int3"], &["int3"]),
        (&["compile", model, "--max-drop", "7"], &["--max-drop", "0 to 1"]),
        (&["compile", model, "--labels", "a,,b"], &["--labels", "empty"]),
        (&["models", "no-such-model"], &["no-such-model", "known"]),
        (&["targets", "toaster"], &["toaster", "known"]),
        (&["targets", "jetson"], &["jetson-nano, jetson-orin, jetson-xavier"]),
    ];
    for (given, words) in cases {
        let call: Vec<&dyn AsRef<OsStr>> = given.iter().map(|word| word as &dyn AsRef<OsStr>).collect();
        let name = given.join(" ");
        let answer = farsight::call(&call);
        assert_eq!(answer.code, Some(2), "{name}: {}", answer.stderr);
        assert!(answer.stdout.is_empty(), "{name}: {}", answer.stdout);
        for word in words {
            assert!(answer.stderr.contains(word), "{name}: no {word:?} in {}", answer.stderr);
        }
        let json = farsight::call_json(&call);
        assert_eq!(json.code, Some(2), "{name} --json");
        assert!(json.document()["error"]["kind"] == "usage", "{name}: {}", json.stdout);
    }
}

fn help() {
    for verb in ["compile", "run", "eval", "bench", "inspect", "models", "targets", "doctor"] {
        let answer = farsight::call(&[&verb, &"--help"]);
        assert_eq!(answer.code, Some(0), "{verb}");
        assert!(
            answer.stdout.contains(&format!("farsight {verb}")) && answer.stdout.contains("--json"),
            "{verb}"
        );
    }
    assert_eq!(farsight::call(&[&"--version"]).code, Some(0));
}
