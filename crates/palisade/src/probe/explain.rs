//! From a failure to its cause and its remedy.
//!
//! In: the feature, the kernel's answer, and the [`Circumstances`]. Out: words. Not here: trying.

use super::{
    circumstances::{Caller, CgroupVersion, Circumstances, Container, Mounted, SetGroups},
    kernel::Feature,
};

/// A cause, and what to do about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// Why it does not work, if that is known.
    pub because: Option<String>,
    /// Commands.
    pub fix: Option<String>,
}

impl Circumstances {
    /// Why the kernel answered `errno` when `feature` was tried.
    #[must_use]
    pub fn explain(&self, feature: Feature, errno: i32) -> Explanation {
        use Feature as F;
        match (feature, errno) {
            (_, libc::EAGAIN) => self.no_more_processes(),
            (F::Clone3, libc::ENOSYS) if self.filters > 0 => self.filtered("clone3"),
            (F::Clone3, libc::ENOSYS) => needs_linux("5.3"),
            (F::OwnProc, _) => Explanation {
                because: Some("the /proc mounted here is that of another pid namespace".to_owned()),
                fix: Some("mount -t proc proc /proc (unshare: --mount-proc)".to_owned()),
            },
            (F::IdMaps, libc::EPERM) if self.groups == SetGroups::Denied => Explanation {
                because: Some("/proc/self/setgroups says deny, so root here cannot give up its groups".to_owned()),
                fix: Some("start palisade as an ordinary user, or in a user namespace made with newuidmap".to_owned()),
            },
            (F::UserNamespace, libc::EPERM | libc::EACCES) => self.user_namespaces_forbidden(),
            (F::UserNamespace, libc::ENOSPC | libc::EUSERS) => self.limit_reached("user.max_user_namespaces"),
            (F::UserNamespace, libc::EINVAL) => built_without("CONFIG_USER_NS=y"),
            (F::MountNamespace, libc::ENOSPC) => self.limit_reached("user.max_mnt_namespaces"),
            (F::PidNamespace, libc::ENOSPC) => self.limit_reached("user.max_pid_namespaces"),
            (F::NetworkNamespace | F::Loopback, libc::ENOSPC) => self.limit_reached("user.max_net_namespaces"),
            (F::IpcNamespace, libc::ENOSPC) => self.limit_reached("user.max_ipc_namespaces"),
            (F::UtsNamespace | F::Capabilities, libc::ENOSPC) => self.limit_reached("user.max_uts_namespaces"),
            (F::CgroupNamespace, libc::ENOSPC) => self.limit_reached("user.max_cgroup_namespaces"),
            (F::PidNamespace, libc::EINVAL) => built_without("CONFIG_PID_NS=y"),
            (F::NetworkNamespace | F::Loopback, libc::EINVAL) => built_without("CONFIG_NET_NS=y"),
            (F::IpcNamespace, libc::EINVAL) => built_without("CONFIG_IPC_NS=y"),
            (F::UtsNamespace, libc::EINVAL) => built_without("CONFIG_UTS_NS=y"),
            (F::CgroupNamespace, libc::EINVAL) => built_without("CONFIG_CGROUPS=y"),
            (F::PidFd | F::CloseRange, libc::ENOSYS) => needs_linux("5.9"),
            (F::NewProc, libc::EPERM) => self.proc_is_masked(),
            (F::ReadOnlyBind, libc::ENOSYS) => needs_linux("5.12 (mount_setattr)"),
            (F::Overlay, libc::ENODEV) => Explanation {
                because: Some("this kernel has no overlay file system, or its module is not loaded".to_owned()),
                fix: Some(format!("{}modprobe overlay", self.caller.sudo())),
            },
            (F::Overlay, libc::EPERM | libc::EINVAL) if !self.restricted_by_apparmor() => needs_linux("5.11"),
            (F::ManyLayers, libc::EINVAL | libc::ENOSYS) => needs_linux("6.5"),
            (F::Landlock, libc::ENOSYS) => built_without("CONFIG_SECURITY_LANDLOCK=y (Linux 5.13)"),
            (F::Landlock, libc::EOPNOTSUPP) => self.landlock_is_off(),
            (F::Filter | F::Notifications, libc::EINVAL | libc::ENOSYS) => {
                built_without("CONFIG_SECCOMP_FILTER=y (notifications: Linux 5.0)")
            }
            (F::Notifications, libc::EBUSY) => Explanation {
                because: Some(
                    "a filter with notifications holds for this process already, and the kernel allows one".to_owned(),
                ),
                fix: Some("start palisade outside the sandbox or debugger that it runs in".to_owned()),
            },
            (F::Keyring, libc::EPERM | libc::EACCES) => self.filtered("keyctl"),
            (F::Keyring, libc::EDQUOT) => Explanation {
                because: Some("this user's quota of keys is used up (/proc/key-users)".to_owned()),
                fix: Some(format!("{}sysctl -w kernel.keys.maxkeys=2000", self.caller.sudo())),
            },
            (_, libc::EPERM | libc::EACCES) => self.forbidden(),
            _ => Explanation::default(),
        }
    }

    /// How this caller gets a place to make groups in.
    #[must_use]
    pub fn delegation(&self) -> String {
        match (self.cgroups, self.caller) {
            (CgroupVersion::None, _) => format!("{}mount -t cgroup2 cgroup2 /sys/fs/cgroup", self.caller.sudo()),
            _ if self.cgroup_mount == Mounted::ReadOnly => match self.container {
                Container::Docker => "docker run --privileged --cgroupns=private …".to_owned(),
                Container::Podman => "podman run --privileged --cgroupns=private …".to_owned(),
                Container::Kubernetes => "in the container's securityContext: {privileged: true}".to_owned(),
                Container::None => format!("{}mount -o remount,rw /sys/fs/cgroup", self.caller.sudo()),
            },
            (CgroupVersion::V2, Caller::Ordinary { .. }) => {
                "systemd-run --user --scope -p Delegate=yes palisade …".to_owned()
            }
            // Enabled from the root down to one's own group.
            (CgroupVersion::V2, Caller::Root) => {
                "echo '+memory +pids +cpu' > /sys/fs/cgroup/cgroup.subtree_control".to_owned()
            }
            // A writable group of one's own for each controller, and this shell in it.
            (CgroupVersion::V1, Caller::Ordinary { uid, gid }) => format!(
                "for c in memory pids cpuacct cpu; do d=/sys/fs/cgroup/$c/user-{uid}; sudo mkdir -p $d; sudo chown \
                 {uid}:{gid} $d $d/cgroup.procs $d/tasks; echo $$ | sudo tee $d/cgroup.procs; done"
            ),
            (CgroupVersion::V1, Caller::Root) => {
                "for c in memory pids cpuacct cpu; do mkdir -p /sys/fs/cgroup/$c; mount -t cgroup -o $c $c \
                 /sys/fs/cgroup/$c; done"
                    .to_owned()
            }
        }
    }

    fn restricted_by_apparmor(&self) -> bool {
        self.apparmor_restrict_userns == Some(1) && self.caller != Caller::Root
    }

    fn user_namespaces_forbidden(&self) -> Explanation {
        let sudo = self.caller.sudo();
        if self.unprivileged_userns_clone == Some(0) && self.caller != Caller::Root {
            return Explanation {
                because: Some("kernel.unprivileged_userns_clone is 0".to_owned()),
                fix: Some(format!("{sudo}sysctl -w kernel.unprivileged_userns_clone=1")),
            };
        }
        let general = self.forbidden();
        if general.because.is_some() {
            return general;
        }
        Explanation {
            because: Some("the kernel forbids it, as it does in a chroot and to ids that are not mapped".to_owned()),
            fix: Some("start palisade outside the chroot or user namespace (user_namespaces(7))".to_owned()),
        }
    }

    /// What forbids things to a process that has every capability in its user namespace.
    fn forbidden(&self) -> Explanation {
        if self.restricted_by_apparmor() {
            let because = "kernel.apparmor_restrict_unprivileged_userns is 1: user namespaces have no capabilities";
            return Explanation {
                because: Some(because.to_owned()),
                fix: Some(format!("{}sysctl -w kernel.apparmor_restrict_unprivileged_userns=0", self.caller.sudo())),
            };
        }
        if self.is_confined() { self.filtered("it") } else { Explanation::default() }
    }

    fn is_confined(&self) -> bool {
        self.filters > 0 || self.profile.is_some()
    }

    /// `what`: the call that is refused, or `it`.
    fn filtered(&self, what: &str) -> Explanation {
        let (because, fix) = match (self.container, &self.profile) {
            (Container::Docker, _) if self.is_confined() => (
                format!("this looks like a Docker container (/.dockerenv), whose default profiles forbid {what}"),
                "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt \
                 systempaths=unconfined …",
            ),
            (Container::Podman, _) if self.is_confined() => (
                format!("this is a Podman container, whose default profile forbids {what}"),
                "podman run --security-opt seccomp=unconfined --security-opt unmask=ALL …",
            ),
            (Container::Kubernetes, _) if self.is_confined() => (
                format!("the pod's profile forbids {what}"),
                "in the container's securityContext: {seccompProfile: {type: Unconfined}, procMount: Unmasked}",
            ),
            _ if self.filters > 0 => (
                format!("a system call filter that holds for this process refuses {what}"),
                "start palisade outside the sandbox that it runs in (in a systemd unit: RestrictNamespaces=no, \
                 SystemCallFilter=)",
            ),
            (_, Some(profile)) => (
                format!("the AppArmor profile {profile} holds for this process and may forbid {what}"),
                "aa-exec -p unconfined palisade …",
            ),
            (_, None) => (format!("something forbids {what}"), "look for the cause in `dmesg`"),
        };
        Explanation { because: Some(because), fix: Some(fix.to_owned()) }
    }

    fn proc_is_masked(&self) -> Explanation {
        let fix = match self.container {
            Container::Docker => "docker run --security-opt systempaths=unconfined …",
            Container::Podman => "podman run --security-opt unmask=ALL …",
            Container::Kubernetes => "in the container's securityContext: {procMount: Unmasked}",
            Container::None => "umount whatever is mounted below /proc (`findmnt -R /proc`)",
        };
        Explanation {
            because: Some("the /proc of this process is covered in parts, so no new one may be mounted".to_owned()),
            fix: Some(fix.to_owned()),
        }
    }

    fn limit_reached(&self, name: &str) -> Explanation {
        let limit = self.namespace_limits.iter().find(|(known, _)| *known == name).map(|(_, limit)| *limit);
        let sudo = self.caller.sudo();
        match limit {
            Some(0) => Explanation {
                because: Some(format!("{name} is 0")),
                fix: Some(format!("{sudo}sysctl -w {name}=15000")),
            },
            Some(limit) => Explanation {
                because: Some(format!(
                    "the limit of namespaces is reached: {name} is {limit} here, an outer one may be lower, and 32 \
                     levels is the most"
                )),
                fix: Some(format!("{sudo}sysctl -w {name}={}", limit.saturating_mul(2).max(15_000))),
            },
            None => Explanation { because: Some("the limit of namespaces is reached".to_owned()), fix: None },
        }
    }

    fn no_more_processes(&self) -> Explanation {
        let limit = self.process_limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
        Explanation {
            because: Some(format!("no more processes: RLIMIT_NPROC is {limit}, and the pids cgroup may be full")),
            fix: Some(format!("{}prlimit --pid $$ --nproc=4096:4096", self.caller.sudo())),
        }
    }

    fn landlock_is_off(&self) -> Explanation {
        let others = self.security_modules.as_deref().unwrap_or("lockdown,yama,integrity,apparmor,bpf");
        Explanation {
            because: Some("Landlock is built in and was not turned on at boot".to_owned()),
            fix: Some(format!(
                "add `lsm=landlock,{others}` to GRUB_CMDLINE_LINUX in /etc/default/grub, then {}update-grub, and reboot",
                self.caller.sudo()
            )),
        }
    }
}

fn needs_linux(version: &str) -> Explanation {
    Explanation {
        because: Some("this kernel does not have it".to_owned()),
        fix: Some(format!("boot Linux {version} or later")),
    }
}

fn built_without(option: &str) -> Explanation {
    Explanation {
        because: Some("this kernel was built without it".to_owned()),
        fix: Some(format!("boot a kernel with {option}")),
    }
}

#[cfg(test)]
mod tests;
