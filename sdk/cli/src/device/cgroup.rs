//! The limit that a container sets on memory, by control groups of either version.

use std::path::{Path, PathBuf};

use super::files;

/// A limit on memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// The least limit from this process' group up.
    pub(crate) bytes: u64,
    /// How much of it is left; caches that the kernel would give back count as left.
    pub(crate) left: Option<u64>,
}

/// The files of a version.
struct Version {
    folder: &'static str,
    limit: &'static str,
    used: &'static str,
    cache: &'static str,
}

const V1: Version = Version {
    folder: "sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    cache: "total_inactive_file",
};

const V2: Version =
    Version { folder: "sys/fs/cgroup", limit: "memory.max", used: "memory.current", cache: "inactive_file" };

/// The limit on this process; `None` if there is none. Version 1 says "none" with a number beyond any memory.
pub(crate) fn limit(root: &Path) -> Option<Limit> {
    let groups = files::text(&root.join("proc/self/cgroup")).unwrap_or_default();
    let (version, group) =
        match group_of(&groups, |controllers| controllers.split(',').any(|name| name == "memory")) {
            Some(group) => (V1, group),
            None => (V2, group_of(&groups, str::is_empty).unwrap_or_default()),
        };
    let folder = root.join(version.folder);
    // Within a container the group's own folder may not be mounted; then its parents are not either, but the root is.
    let levels: Vec<PathBuf> = group.ancestors().map(|group| folder.join(group)).collect();
    let limits: Vec<Limit> = levels.iter().filter_map(|level| at(level, &version)).collect();
    let bytes = limits.iter().map(|limit| limit.bytes).min()?;
    Some(Limit { bytes, left: limits.iter().filter_map(|limit| limit.left).min() })
}

/// The group in the line `NUMBER:CONTROLLERS:/PATH`, as a path below the version's folder.
fn group_of(groups: &str, is_wanted: impl Fn(&str) -> bool) -> Option<PathBuf> {
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let path = Path::new(path.trim_start_matches('/'));
        let is_plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        (is_wanted(controllers) && is_plain).then(|| path.to_owned())
    })
}

fn at(folder: &Path, version: &Version) -> Option<Limit> {
    let bytes = files::number(&folder.join(version.limit))?;
    let used: Option<u64> = files::number(&folder.join(version.used));
    let statistics = files::text(&folder.join("memory.stat")).unwrap_or_default();
    let cache = files::value(&statistics, version.cache).unwrap_or(0);
    let left = used.map(|used| u64::saturating_sub(bytes, used.saturating_sub(cache)));
    Some(Limit { bytes, left })
}
