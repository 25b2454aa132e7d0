//! The committed header is what cbindgen writes today.
//!
//! After a change to an entry or a struct: `FARSIGHT_WRITE_HEADER=1 cargo test -p farsight-ffi --test header`.
#![allow(missing_docs)] // a test program has no users to tell

use std::fs;
use std::path::Path;

#[test]
fn is_current() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = here.join("include/farsight.h");
    let written = header(here).unwrap();
    if std::env::var_os("FARSIGHT_WRITE_HEADER").is_some() {
        fs::write(&committed, &written).unwrap();
    }
    let committed = fs::read_to_string(&committed).unwrap_or_default();
    assert!(
        committed == written,
        "include/farsight.h is not what the sources say; run \
         `FARSIGHT_WRITE_HEADER=1 cargo test -p farsight-ffi --test header` and commit it"
    );
}

fn header(here: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let config = cbindgen::Config::from_file(here.join("cbindgen.toml"))?;
    // It follows the modules from here, in their order.
    let builder = cbindgen::Builder::new().with_config(config).with_src(here.join("src/lib.rs"));
    let mut bytes = Vec::new();
    builder.generate()?.write(&mut bytes);
    Ok(String::from_utf8(bytes)?)
}
