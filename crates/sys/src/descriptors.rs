//! Descriptors that this process was given when it started.

use crate::raw::sys;

/// Lets no program that is started from now on have any descriptor of this process but its standard streams: whoever has started
/// this process may have left it some by mistake, and a process that stays would hold them for ever.
pub fn keep_from_programs() {
    // SAFETY: scalar arguments; no descriptor is closed, and each owner keeps its own. A kernel without the call is older than 5.11.
    let _ = unsafe { sys!(SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}
