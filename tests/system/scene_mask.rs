//! The program examples/scene-mask against `farsight run`.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use libtest_mimic::Trial;
use serde_json::Value;

use crate::families::{case, folder, values};
use crate::firmware::{example, succeeded, text};
use crate::needs::{Need, trial};
use crate::{farsight, scratch};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("scene_mask::writes_what_run_writes", &[Need::Library], writes_what_run_writes)]
}

fn writes_what_run_writes() {
    let (_, bundle) = case("burn-scars");
    let (scene, out) = (folder().join("burn-scars.tif"), scratch::folder("scene-mask"));
    let run = farsight::document(&[&"run", &bundle, &scene, &"--save", &out.join("command"), &"--polygons"]);
    let [mask, polygons] = ["mask.tif", "mask.geojson"].map(|name| out.join(name));
    let mut program = Command::new(example("farsight-example-scene-mask"));
    let output = succeeded(program.args([&bundle, &scene, &mask, &polygons]));

    assert_eq!(values(&mask), values(written(&run["mask"]["file"])));
    assert_eq!(fs::read(&polygons).unwrap(), fs::read(written(&run["polygons"])).unwrap());
    assert_eq!(text(&output.stdout), lines(&run));

    let absent = out.join("absent.tif");
    let output = Command::new(program.get_program()).args([&bundle, &absent, &mask]).output().unwrap();
    assert!(!output.status.success() && says(&output, absent.as_os_str()), "{output:?}");
}

fn written(file: &Value) -> &Path {
    Path::new(file.as_str().expect("the file that was written"))
}

/// What the program says of the same classes.
fn lines(run: &Value) -> String {
    let labels = run["mask"]["labels"].as_array().unwrap();
    let number = |label: &Value, key: &str| label[key].as_f64().unwrap();
    let all: f64 = labels.iter().map(|label| number(label, "pixels")).sum();
    let line = |label: &Value| {
        let (share, area) = (100.0 * number(label, "pixels") / all, number(label, "area_m2") / 1e6);
        format!("{}  {share:.2} %  {area:.2} km²\n", label["label"].as_str().unwrap())
    };
    labels.iter().map(line).collect()
}

fn says(output: &Output, expected: &OsStr) -> bool {
    text(&output.stderr).contains(expected.to_str().unwrap())
}
