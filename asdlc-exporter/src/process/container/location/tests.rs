//! Files as the kernel writes them on hosts and in containers.

use super::{
    Version::{self, V1, V2},
    locations, unescaped,
};

/// What is expected: the version and the directories of each location.
type Expected<'a> = &'a [(Version, &'a [&'a str])];

fn located(cgroups: &str, mounts: &str, controller: &str) -> Vec<(Version, Vec<String>)> {
    let text = |path: std::path::PathBuf| path.to_str().expect("UTF-8").to_owned();
    locations(cgroups, mounts, controller)
        .into_iter()
        .map(|it| (it.version, it.directories.into_iter().map(text).collect()))
        .collect()
}

#[track_caller]
fn check(cgroups: &str, mounts: &str, controller: &str, expected: Expected<'_>) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(version, paths)| (*version, paths.iter().map(|it| (*it).to_owned()).collect()))
        .collect();
    assert_eq!(located(cgroups, mounts, controller), expected);
}

/// A host with systemd and only version 2.
const V2_HOST_MOUNTS: &str = "\
24 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,discard,errors=remount-ro
22 24 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw
23 24 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
31 23 0:27 / /sys/fs/pstore rw,nosuid,nodev,noexec,relatime shared:10 - pstore pstore rw
";

//
#[test]
fn version_2_on_a_host() {
    for controller in ["memory", "cpu"] {
        check(
            "0::/system.slice/shop.service\n",
            V2_HOST_MOUNTS,
            controller,
            &[(
                V2,
                &[
                    "/sys/fs/cgroup/system.slice/shop.service",
                    "/sys/fs/cgroup/system.slice",
                    "/sys/fs/cgroup",
                ],
            )],
        );
        check("0::/\n", V2_HOST_MOUNTS, controller, &[(V2, &["/sys/fs/cgroup"])]);
    }
}

//
#[test]
fn version_2_in_a_container() {
    // With a cgroup namespace, as Docker, containerd and CRI-O do it.
    let mounts = "\
612 544 0:52 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b,upperdir=/c,workdir=/d
613 612 0:55 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
616 612 0:58 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
617 616 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot
";
    check("0::/\n", mounts, "memory", &[(V2, &["/sys/fs/cgroup"])]);
    // A process that a supervisor in the container has put into a cgroup of its own.
    let nested = &["/sys/fs/cgroup/init.scope", "/sys/fs/cgroup"];
    check("0::/init.scope\n", mounts, "memory", &[(V2, nested)]);

    // Without a cgroup namespace, the mounted cgroup is that of the container.
    let mounts = "\
617 616 0:26 /kubepods.slice/kubepods-pod1a.slice/cri-containerd-7f.scope /sys/fs/cgroup ro,relatime - cgroup2 cgroup rw
";
    let own = "0::/kubepods.slice/kubepods-pod1a.slice/cri-containerd-7f.scope";
    check(own, mounts, "cpu", &[(V2, &["/sys/fs/cgroup"])]);
    let nested = &["/sys/fs/cgroup/worker", "/sys/fs/cgroup"];
    check(&format!("{own}/worker"), mounts, "cpu", &[(V2, nested)]);
    // Another container, whose name begins with the same characters.
    check(&format!("{own}2"), mounts, "cpu", &[]);
}

/// A host with systemd and only version 1 for resources.
const V1_HOST_MOUNTS: &str = "\
25 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,data=ordered
32 23 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
33 32 0:27 / /sys/fs/cgroup/unified rw,nosuid,nodev,noexec,relatime shared:10 - cgroup2 cgroup rw
34 32 0:28 / /sys/fs/cgroup/systemd rw,nosuid,nodev,noexec,relatime shared:11 - cgroup cgroup rw,xattr,name=systemd
38 32 0:32 / /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime shared:15 - cgroup cgroup rw,memory
39 32 0:33 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid,nodev,noexec,relatime shared:16 - cgroup cgroup rw,cpu,cpuacct
";

//
#[test]
fn version_1_and_hybrid_on_a_host() {
    let cgroups = "\
12:cpu,cpuacct:/system.slice/shop.service
11:memory:/system.slice
10:cpuset:/
1:name=systemd:/system.slice/shop.service
0::/system.slice/shop.service
";
    // Version 2 is mounted and has the process, but not these controllers.
    check(
        cgroups,
        V1_HOST_MOUNTS,
        "memory",
        &[(V1, &["/sys/fs/cgroup/memory/system.slice", "/sys/fs/cgroup/memory"])],
    );
    check(
        cgroups,
        V1_HOST_MOUNTS,
        "cpu",
        &[(
            V1,
            &[
                "/sys/fs/cgroup/cpu,cpuacct/system.slice/shop.service",
                "/sys/fs/cgroup/cpu,cpuacct/system.slice",
                "/sys/fs/cgroup/cpu,cpuacct",
            ],
        )],
    );
    // `cpuset` is in version 1, which is not mounted here. `pids` is not in version 1.
    check(cgroups, V1_HOST_MOUNTS, "cpuset", &[]);
    let unified = [
        "/sys/fs/cgroup/unified/system.slice/shop.service",
        "/sys/fs/cgroup/unified/system.slice",
        "/sys/fs/cgroup/unified",
    ];
    check(cgroups, V1_HOST_MOUNTS, "pids", &[(V2, &unified)]);
}

//
#[test]
fn version_1_in_a_container() {
    let id = "c8b8fd2d60b62f1a3eef3bce1d50c4b0fbf8a6ae4b6c9f59b6f8e3c1b1a3d1f2";
    let mounts = format!(
        "\
148 140 0:25 /docker/{id} /sys/fs/cgroup/cpu,cpuacct ro,nosuid,nodev,noexec,relatime master:11 - cgroup cgroup rw,cpu,cpuacct
152 148 0:28 /docker/{id} /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:13 - cgroup cgroup rw,memory
"
    );
    let cgroups = format!("5:memory:/docker/{id}\n4:cpu,cpuacct:/docker/{id}/nested\n");
    check(&cgroups, &mounts, "memory", &[(V1, &["/sys/fs/cgroup/memory"])]);
    let nested = &["/sys/fs/cgroup/cpu,cpuacct/nested", "/sys/fs/cgroup/cpu,cpuacct"];
    check(&cgroups, &mounts, "cpu", &[(V1, nested)]);
}

//
#[test]
fn in_a_cgroup_namespace_only_a_mount_of_it_is_used() {
    // Captured with `unshare --cgroup`: the mount is from outside.
    let cgroups = "9:name=systemd:/\n4:memory:/\n2:cpuacct:/\n1:cpu:/\n0::/\n";
    let outside = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
35 31 0:32 /../.. /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
";
    check(cgroups, outside, "memory", &[]);
    // Captured after `mount -t cgroup -o memory cg /tmp/cgm/memory` in the namespace.
    let both = format!("{outside}64 63 0:32 / /tmp/cgm/memory rw,relatime - cgroup cg rw,memory\n");
    check(cgroups, &both, "memory", &[(V1, &["/tmp/cgm/memory"])]);
    // A process that was moved out of the namespace.
    check("0::/../other\n", V2_HOST_MOUNTS, "memory", &[]);
    // Two dots within a name are no parent.
    let named = ["/sys/fs/cgroup/a..b", "/sys/fs/cgroup"];
    check("0::/a..b\n", V2_HOST_MOUNTS, "memory", &[(V2, &named)]);
}

//
#[test]
fn all_mounts_of_the_hierarchy_are_returned_the_last_one_first() {
    let mounts = "\
617 616 0:26 /pod/app /sys/fs/cgroup ro,relatime - cgroup2 cgroup rw
700 600 0:26 / /host/sys/fs/cgroup ro,relatime - cgroup2 cgroup2 rw
701 600 0:26 /other /mnt ro,relatime - cgroup2 cgroup2 rw
";
    check(
        "0::/pod/app\n",
        mounts,
        "memory",
        &[
            (
                V2,
                &["/host/sys/fs/cgroup/pod/app", "/host/sys/fs/cgroup/pod", "/host/sys/fs/cgroup"],
            ),
            (V2, &["/sys/fs/cgroup"]),
        ],
    );
}

//
#[test]
fn names_may_have_colons_spaces_and_backslashes() {
    let mounts = "\
30 23 0:26 /a\\040b\\134c /mnt/my\\040cgroups\\011 rw shared:9 master:2 - cgroup2 none rw
";
    check(
        "0::/a b\\c/d:e f\n",
        mounts,
        "memory",
        &[(V2, &["/mnt/my cgroups\t/d:e f", "/mnt/my cgroups\t"])],
    );
    for (field, text) in [
        ("a\\040b", "a b"),
        ("\\134040", "\\040"),
        ("a\\", "a\\"),
        ("\\0", "\\0"),
        ("\\999", "\\999"),
    ] {
        assert_eq!(unescaped(field), text);
    }
}

//
#[test]
fn lines_of_another_form_are_skipped() {
    for cgroups in ["", "\n", "0", "0:", "memory", "4:memory", "::/x", "0::", "1::/x\n"] {
        for mounts in ["", "\n", " - ", "30 23 0:26 /", "a b c d e - cgroup2", V2_HOST_MOUNTS] {
            for (_, directories) in located(cgroups, mounts, "memory") {
                // `0::` without a path is the root.
                assert_eq!((cgroups, directories.len()), ("0::", 1));
            }
        }
    }
    check(
        "x\n0::/a\n\n",
        &format!("x\n{V2_HOST_MOUNTS}"),
        "memory",
        &[(V2, &["/sys/fs/cgroup/a", "/sys/fs/cgroup"])],
    );
}
