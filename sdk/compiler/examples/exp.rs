//! x
use std::path::Path;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let spec = (a[2] != "-").then(|| a[2].as_str());
    farsight_compiler::experiment::run(
        Path::new(&a[1]),
        spec,
        Path::new(&a[3]),
        a[4].parse().unwrap(),
        Path::new(&a[5]),
        &a[6],
        a.get(7).map_or("", |s| s),
    )
    .unwrap();
}
