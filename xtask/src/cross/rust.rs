//! A Rust that compiles for the device: this machine's own, where rustup can give it the target; else Debian's.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::debian::Debian;
use crate::cache::{self, Cache};
use crate::process;

pub(crate) enum Rust {
    /// The one that runs this program.
    Own,
    /// Unpacked into this folder.
    Debian(PathBuf),
}

impl Rust {
    /// Makes it ready. rustup adds the target to this machine's toolchain, as its user would.
    pub(crate) fn find(cache: &Cache, triple: &str) -> Result<Rust> {
        if has_target(triple) {
            return Ok(Rust::Own);
        }
        eprintln!("  making   {triple} in this machine's Rust");
        let own = process::silently(Command::new("rustup").args(["target", "add", triple]));
        match own {
            Ok(_) if has_target(triple) => Ok(Rust::Own),
            own => {
                let reason = own.err().map_or_else(String::new, |error| format!(" ({error:#})"));
                eprintln!("  rustup does not give it{reason}; Debian's Rust instead");
                debian(cache).map(Rust::Debian)
            }
        }
    }

    /// Lets cargo use it.
    pub(crate) fn announce(&self, cargo: &mut Command) {
        if let Rust::Debian(root) = self {
            cargo.env("RUSTC", root.join("usr/bin/rustc")).env("RUSTDOC", root.join("usr/bin/rustdoc"));
            cargo.env("LD_LIBRARY_PATH", root.join("usr/lib/x86_64-linux-gnu"));
        }
    }
}

/// Whether this machine's Rust has the standard library for `triple`.
fn has_target(triple: &str) -> bool {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let folder = process::silently(rustc.args(["--print", "target-libdir", "--target", triple]));
    folder.is_ok_and(|folder| Path::new(folder.trim()).is_dir())
}

/// `rustc-web`, which Debian keeps current in its old releases, and its standard library for both CPUs.
fn debian(cache: &Cache) -> Result<PathBuf> {
    cache.thing("cross/rust", "rustc-web, 1", |folder| {
        let own = Debian::open(&cache.empty(".apt")?, "amd64")?;
        own.unpack_with_dependencies(&["rustc-web", "libstd-rust-web-dev"], folder)?;
        let device = Debian::open(&cache.empty(".apt")?, "arm64")?;
        device.unpack(&["libstd-rust-web-dev"], folder)?;
        cache::remove(&cache.empty(".apt")?)
    })
}
