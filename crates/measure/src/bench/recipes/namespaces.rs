//! Tools that make namespaces around a program of the host.

use super::{Ways, before, words};
use crate::bench::{ground::Ground, method::Found};

pub(in crate::bench) fn unshare(_: &Ground, found: &Found) -> Ways {
    Ok(vec![before(words(found.program(), UNSHARE_FULL))])
}

pub(in crate::bench) fn chroot(ground: &Ground, found: &Found) -> Ways {
    Ok(vec![before(words(found.program(), &ground.root()?.to_string_lossy()))])
}

pub(in crate::bench) fn bwrap_minimal(_: &Ground, found: &Found) -> Ways {
    Ok(vec![before(words(found.program(), "--unshare-pid --ro-bind / /"))])
}

pub(in crate::bench) fn bwrap_network(_: &Ground, found: &Found) -> Ways {
    Ok(vec![before(words(found.program(), "--unshare-pid --unshare-net --ro-bind / /"))])
}

/// The arguments of `unshare` for all namespaces, and nothing else that makes a wall.
pub(crate) const UNSHARE_FULL: &str = "--map-root-user --mount --mount-proc --pid --fork --net --ipc --uts --cgroup";

/// Bubblewrap's arguments for all its namespaces, and a small file tree.
pub(crate) const BWRAP_FULL: &str = "--unshare-all --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/sbin /sbin --symlink usr/lib /lib --symlink \
     usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp --new-session --die-with-parent";

pub(in crate::bench) fn bwrap_full(_: &Ground, found: &Found) -> Ways {
    Ok(vec![before(words(found.program(), BWRAP_FULL))])
}

pub(in crate::bench) fn firejail(_: &Ground, found: &Found) -> Ways {
    let all = "--quiet --noprofile --net=none --private --private-dev --private-tmp --caps.drop=all --nonewprivs \
               --seccomp --";
    Ok(vec![before(words(found.program(), all))])
}
