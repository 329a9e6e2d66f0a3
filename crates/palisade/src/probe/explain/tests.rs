//! The wording: each circumstance gives its own cause and command.

use super::*;

fn ordinary() -> Circumstances {
    Circumstances {
        caller: Caller::Ordinary { uid: 1000, gid: 1000 },
        container: Container::None,
        profile: None,
        groups: SetGroups::Allowed,
        filters: 0,
        unprivileged_userns_clone: None,
        apparmor_restrict_userns: None,
        namespace_limits: vec![("user.max_user_namespaces", 100), ("user.max_net_namespaces", 0)],
        process_limit: Some(7),
        cgroups: CgroupVersion::V1,
        cgroup_mount: Mounted::Writable,
        security_modules: Some("capability,yama".to_owned()),
    }
}

fn said(explanation: Explanation) -> (String, String) {
    (explanation.because.unwrap_or_default(), explanation.fix.unwrap_or_default())
}

#[test]
fn a_switch_that_forbids_user_namespaces_is_named_with_its_command() {
    let debian = Circumstances { unprivileged_userns_clone: Some(0), ..ordinary() };
    let (because, fix) = said(debian.explain(Feature::UserNamespace, libc::EPERM));
    assert_eq!(because, "kernel.unprivileged_userns_clone is 0");
    assert_eq!(fix, "sudo sysctl -w kernel.unprivileged_userns_clone=1");
    let root = Circumstances { caller: Caller::Root, ..debian };
    let (because, _) = said(root.explain(Feature::UserNamespace, libc::EPERM));
    assert!(!because.contains("unprivileged"), "it does not hold for root: {because}");
}

#[test]
fn ubuntus_restriction_shows_at_the_first_mount_and_is_named() {
    let ubuntu = Circumstances { apparmor_restrict_userns: Some(1), ..ordinary() };
    for feature in [Feature::UserNamespace, Feature::PrivateMounts, Feature::Tmpfs, Feature::Loopback] {
        for errno in [libc::EPERM, libc::EACCES] {
            let (_, fix) = said(ubuntu.explain(feature, errno));
            assert_eq!(fix, "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0", "{feature:?}");
        }
    }
}

#[test]
fn a_limit_of_zero_is_told_from_one_that_is_reached() {
    let (because, fix) = said(ordinary().explain(Feature::NetworkNamespace, libc::ENOSPC));
    assert_eq!(
        (because.as_str(), fix.as_str()),
        ("user.max_net_namespaces is 0", "sudo sysctl -w user.max_net_namespaces=15000")
    );
    let (because, _) = said(ordinary().explain(Feature::UserNamespace, libc::ENOSPC));
    assert!(
        because.starts_with("the limit of namespaces is reached: user.max_user_namespaces is 100 here"),
        "{because}"
    );
    let (because, _) = said(ordinary().explain(Feature::UserNamespace, libc::EAGAIN));
    assert!(because.contains("RLIMIT_NPROC is 7"), "{because}");
}

#[test]
fn containers_get_the_options_of_their_own_engine() {
    let docker = Circumstances { container: Container::Docker, filters: 1, ..ordinary() };
    let (_, fix) = said(docker.explain(Feature::Clone3, libc::ENOSYS));
    assert!(fix.contains("docker run --security-opt seccomp=unconfined"), "{fix}");
    let (_, fix) = said(docker.explain(Feature::NewProc, libc::EPERM));
    assert_eq!(fix, "docker run --security-opt systempaths=unconfined …");
    let free = Circumstances { filters: 0, ..docker.clone() };
    let (because, _) = said(free.explain(Feature::UserNamespace, libc::EPERM));
    assert!(!because.contains("Docker"), "nothing of Docker's confines it: {because}");
    let podman = Circumstances { container: Container::Podman, ..docker };
    let (_, fix) = said(podman.explain(Feature::NewProc, libc::EPERM));
    assert_eq!(fix, "podman run --security-opt unmask=ALL …");
}

#[test]
fn an_old_kernel_is_told_from_a_filter_that_hides_a_call() {
    let (because, fix) = said(ordinary().explain(Feature::Clone3, libc::ENOSYS));
    assert_eq!((because.as_str(), fix.as_str()), ("this kernel does not have it", "boot Linux 5.3 or later"));
    let filtered = Circumstances { filters: 2, ..ordinary() };
    let (because, _) = said(filtered.explain(Feature::Clone3, libc::ENOSYS));
    assert_eq!(because, "a system call filter that holds for this process refuses clone3");
}

#[test]
fn landlock_that_is_off_is_turned_on_beside_the_modules_that_are_on() {
    let (_, fix) = said(ordinary().explain(Feature::Landlock, libc::EOPNOTSUPP));
    assert!(fix.starts_with("add `lsm=landlock,capability,yama` to GRUB_CMDLINE_LINUX"), "{fix}");
    let (because, _) = said(ordinary().explain(Feature::Landlock, libc::ENOSYS));
    assert_eq!(because, "this kernel was built without it");
}

#[test]
fn groups_are_delegated_as_the_version_and_the_caller_need_it() {
    let v2 = Circumstances { cgroups: CgroupVersion::V2, ..ordinary() };
    assert_eq!(v2.delegation(), "systemd-run --user --scope -p Delegate=yes palisade …");
    assert!(ordinary().delegation().contains("sudo chown 1000:1000 $d $d/cgroup.procs $d/tasks"));
    let root = Circumstances { caller: Caller::Root, cgroup_mount: Mounted::ReadOnly, ..v2 };
    assert_eq!(root.delegation(), "mount -o remount,rw /sys/fs/cgroup");
    let docker = Circumstances { container: Container::Docker, ..root };
    assert!(docker.delegation().starts_with("docker run --privileged"), "{}", docker.delegation());
}
