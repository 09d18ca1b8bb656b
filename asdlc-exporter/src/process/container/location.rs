//! Finds the directories of a cgroup from `/proc/self/cgroup` and `/proc/self/mountinfo`. Nothing here reads a file.
//!
//! The first file has the path of the cgroup in each hierarchy, seen from the root of the cgroup namespace. The second
//! has the mounts of the hierarchies: the path of the cgroup that is mounted, seen from the same root, and the mount
//! point. So the directory is the mount point, and what the path has more than the mounted cgroup.

use std::path::PathBuf;

/// Which files a cgroup has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// The directories of a cgroup and of its ancestors up to the mount point, the cgroup itself first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) version: Version,
    pub(super) directories: Vec<PathBuf>,
}

/// The locations of the cgroup that this controller puts this process in, one for each mount that has it. A later mount may
/// hide an earlier one, so the last one is first.
pub(super) fn locations(cgroups: &str, mounts: &str, controller: &str) -> Vec<Location> {
    let Some((version, cgroup)) = cgroup(cgroups, controller) else { return Vec::new() };
    let located = |mount: Mount<'_>| {
        let is_hierarchy = match version {
            Version::V1 => mount.has_controller(controller),
            Version::V2 => mount.file_system == "cgroup2",
        };
        let directories = if is_hierarchy { directories(&mount, cgroup) } else { None };
        directories.map(|directories| Location { version, directories })
    };
    mounts.lines().rev().filter_map(Mount::parse).filter_map(located).collect()
}

/// The path of the cgroup. A controller belongs to a hierarchy of version 1 if this hierarchy lists it, else to that of
/// version 2, whose line has no controllers. `cgroups(7)` has the format.
fn cgroup<'a>(cgroups: &'a str, controller: &str) -> Option<(Version, &'a str)> {
    let mut unified = None;
    for line in cgroups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(id), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if controllers.split(',').any(|name| name == controller) {
            return Some((Version::V1, path));
        }
        if id == "0" && controllers.is_empty() {
            unified = Some((Version::V2, path));
        }
    }
    unified
}

/// A line of `/proc/self/mountinfo`, which `proc_pid_mountinfo(5)` describes.
struct Mount<'a> {
    root: &'a str,
    mount_point: &'a str,
    file_system: &'a str,
    super_options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        // The number of fields before this separator differs. None of them has a space in it.
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, mount_point) = (mount.next()?, mount.next()?);
        let mut fields = file_system.splitn(3, ' ');
        let (file_system, _source, super_options) =
            (fields.next()?, fields.next()?, fields.next()?);
        Some(Self { root, mount_point, file_system, super_options })
    }

    fn has_controller(&self, controller: &str) -> bool {
        self.file_system == "cgroup" && self.super_options.split(',').any(|it| it == controller)
    }
}

/// `None` if the mount does not have this cgroup.
fn directories(mount: &Mount<'_>, cgroup: &str) -> Option<Vec<PathBuf>> {
    let root = unescaped(mount.root);
    // A mount of an ancestor of the namespace's root begins with `/..`, and so does a cgroup outside of the namespace. The
    // names of the directories between are unknown.
    let is_outside = |path: &str| path.split('/').any(|part| part == "..");
    if is_outside(&root) || is_outside(cgroup) {
        return None;
    }
    let below = cgroup.strip_prefix(root.trim_end_matches('/'))?;
    if !below.is_empty() && !below.starts_with('/') {
        return None;
    }
    let mut directory = PathBuf::from(unescaped(mount.mount_point));
    let mut directories = vec![directory.clone()];
    for part in below.split('/').filter(|part| !part.is_empty()) {
        directory.push(part);
        directories.push(directory.clone());
    }
    directories.reverse();
    Some(directories)
}

/// Replaces the octal numbers that the kernel writes for spaces, tabs, line feeds and backslashes.
fn unescaped(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code.filter(|_| *first == b'\\') {
            Some(code) => {
                bytes.push(code);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
