//! Packages of the machine's Debian (or Ubuntu) unpacked into a folder: nothing is installed and nobody must be root.
//!
//! apt keeps its lists and downloads in a folder of ours and checks signatures as ever.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

pub(crate) struct Debian {
    folder: PathBuf,
    /// Debian's word for the CPU that the packages are for.
    arch: &'static str,
}

impl Debian {
    /// Reads into `folder`, which is empty, what packages there are.
    pub(crate) fn open(folder: &Path, arch: &'static str) -> Result<Debian> {
        for name in ["lists/partial", "archives/partial", "packages"] {
            fs::create_dir_all(folder.join(name))
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let debian = Debian { folder: folder.to_path_buf(), arch };
        process::silently(debian.apt().arg("update"))?;
        Ok(debian)
    }

    /// Unpacks the newest version of these packages into `root`, without what they depend on.
    pub(crate) fn unpack(&self, packages: &[&str], root: &Path) -> Result<()> {
        let downloads = self.folder.join("packages");
        process::silently(self.apt().arg("download").args(packages).current_dir(&downloads))?;
        unpack_all(&downloads, root)
    }

    /// Unpacks packages into `root`, and of what they depend on all that this machine lacks.
    pub(crate) fn unpack_with_dependencies(&self, packages: &[&str], root: &Path) -> Result<()> {
        let mut install = self.apt();
        install.args(["install", "--yes", "--download-only", "--no-install-recommends", "--reinstall"]);
        process::silently(install.args(packages))?;
        unpack_all(&self.folder.join("archives"), root)
    }

    fn apt(&self) -> Command {
        let mut apt = Command::new("apt-get");
        let folder = self.folder.display();
        apt.arg(format!("-oDir::State::Lists={folder}/lists"));
        apt.arg(format!("-oDir::Cache={folder}"));
        apt.arg(format!("-oDir::Cache::Archives={folder}/archives"));
        apt.arg(format!("-oAPT::Architecture={}", self.arch));
        apt.arg(format!("-oAPT::Architectures={}", self.arch));
        // Its lock is the machine's, and its own user may not write into our folder.
        apt.args(["-oAcquire::http::Timeout=20", "-oAcquire::https::Timeout=20"]);
        apt.args(["-oDebug::NoLocking=1", "-oAPT::Sandbox::User=root", "-oAcquire::Languages=none"]);
        apt
    }
}

/// Unpacks the packages that lie in `downloads`; they go.
fn unpack_all(downloads: &Path, root: &Path) -> Result<()> {
    let entries = downloads.read_dir().with_context(|| format!("cannot read {}", downloads.display()))?;
    for entry in entries {
        let package = entry?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            process::silently(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(root))?;
            fs::remove_file(&package).with_context(|| format!("cannot remove {}", package.display()))?;
        }
    }
    Ok(())
}
