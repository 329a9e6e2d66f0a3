//! What others say, or we did of another host, about methods that cannot be measured here. Never mixed with what is measured.

use super::outcome::Quoted;

/// Where our own figures of another host are.
const OWN: &str = "docs/bench.md, another host";

/// Name, value, of what, where.
const QUOTES: [(&str, &str, &str, &str); 16] = [
    ("unshare", "3.3 ms", "all namespaces, /bin/true", OWN),
    ("chroot", "1.8 ms", "/bin/true", OWN),
    ("bwrap-minimal", "3.1 ms", "/bin/true", OWN),
    ("bwrap-network", "4.0 ms", "/bin/true", OWN),
    ("bwrap", "6.2 ms", "/bin/true", OWN),
    ("firejail", "26.5 ms", "--noprofile, /bin/true", OWN),
    ("gvisor", "124 ms", "platform ptrace, /bin/true", OWN),
    ("docker", "316 ms", "docker run, /bin/true", OWN),
    ("podman", "240 ms", "podman run, /bin/true", OWN),
    ("lxc", "26.4 ms", "lxc-execute, /bin/true", OWN),
    ("nspawn", "70 ms", "/bin/true", OWN),
    (
        "firecracker",
        "<= 125 ms",
        "from the API call to the start of the guest's /sbin/init; no serial console, minimal kernel",
        "https://github.com/firecracker-microvm/firecracker/blob/main/SPECIFICATION.md",
    ),
    (
        "qemu-microvm",
        "100 ms",
        "\"booting into Linux in 100ms\" with KVM and qboot, the firmware of this machine",
        "https://u-boot.org/blog/category/uncategorized",
    ),
    (
        "kata",
        "2200 ms",
        "a user's report of a container's run; their own comment is that less is to be expected",
        "https://github.com/kata-containers/runtime/issues/1025",
    ),
    ("qemu", "2068 ms", "emulated processor (TCG), /bin/true in a booted guest", OWN),
    ("baseline", "0.78 ms", "/bin/true", OWN),
];

/// What is said about this method.
pub(super) fn quoted(name: &str) -> Option<Quoted> {
    let (_, value, of, source) = QUOTES.into_iter().find(|(known, ..)| *known == name)?;
    Some(Quoted { value: value.into(), of: of.into(), source: source.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{METHODS, Side};

    #[test]
    fn something_is_known_about_every_method_of_others() {
        for method in METHODS.iter().filter(|method| method.side == Side::Other) {
            assert!(quoted(method.name).is_some(), "{}", method.name);
        }
    }
}
