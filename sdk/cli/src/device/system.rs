//! Which device and which system: model, release, kernel, container.

use std::path::Path;

use super::files;

/// Which device and which system.
#[derive(Debug)]
pub(crate) struct System {
    /// `"Raspberry Pi 5 Model B Rev 1.0"`; on a PC the maker and the product's name.
    pub(crate) model: Option<String>,
    /// Jetson Linux, `"36.4.3"`.
    pub(crate) l4t: Option<String>,
    /// `"Debian GNU/Linux 12 (bookworm)"`
    pub(crate) os: Option<String>,
    /// `"6.6.31+rpt-rpi-2712"`
    pub(crate) kernel: Option<String>,
    /// Version of NVIDIA's driver.
    pub(crate) gpu_driver: Option<String>,
    /// What kind of container this is in; `None`: no sign of one.
    pub(crate) container: Option<String>,
}

impl System {
    pub(crate) fn read(root: &Path) -> Self {
        let line = |path: &str| files::line(&root.join(path));
        Self {
            model: line("proc/device-tree/model").or_else(|| product(root)),
            l4t: files::text(&root.join("etc/nv_tegra_release")).and_then(|text| l4t(&text)),
            os: os(root),
            kernel: line("proc/sys/kernel/osrelease"),
            gpu_driver: line("sys/module/nvidia/version"),
            container: container(root),
        }
    }
}

fn product(root: &Path) -> Option<String> {
    let part = |name: &str| files::line(&root.join("sys/class/dmi/id").join(name));
    let words: Vec<String> = ["sys_vendor", "product_name"].into_iter().filter_map(part).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// `"# R36 (release), REVISION: 4.3, GCID: …"` → `"36.4.3"`.
fn l4t(text: &str) -> Option<String> {
    let release = text.strip_prefix("# R")?.split_whitespace().next()?;
    let revision = text.split_once("REVISION: ")?.1.split(',').next()?.trim();
    let is_version = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    (is_version(release) && is_version(revision)).then(|| format!("{release}.{revision}"))
}

fn os(root: &Path) -> Option<String> {
    let text =
        ["etc/os-release", "usr/lib/os-release"].iter().find_map(|path| files::text(&root.join(path)))?;
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    let name = name.trim().trim_matches(['"', '\'']);
    files::is_readable(name).then(|| name.to_owned())
}

/// By the marks that the runtimes leave; control groups of the first kind are named after them, too.
fn container(root: &Path) -> Option<String> {
    let marks = [(".dockerenv", "docker"), ("run/.containerenv", "podman")];
    let mark = marks.into_iter().find(|(file, _)| root.join(file).exists()).map(|(_, kind)| kind.to_owned());
    mark.or_else(|| files::line(&root.join("run/systemd/container"))).or_else(|| {
        let groups = files::text(&root.join("proc/self/cgroup"))?;
        let kind = GROUPS.iter().find(|(group, _)| groups.contains(group))?;
        Some(kind.1.to_owned())
    })
}

const GROUPS: &[(&str, &str)] = &[
    ("/docker/", "docker"),
    ("/docker-", "docker"),
    ("/kubepods", "kubernetes"),
    ("/libpod", "podman"),
    ("/lxc/", "lxc"),
    ("/lxc.", "lxc"),
];
