//! A group whose first members are gone or are nobody: what it uses now, lower limits, a peak that begins again.

use std::{io, path::Path};

use super::{Group, Settings, optional, put};

impl Group {
    /// Lowers the limits of memory and tasks.
    ///
    /// # Errors
    /// `EBUSY` if more memory is in use.
    pub fn narrow(&self, settings: &Settings) -> io::Result<()> {
        if let Some(path) = &self.memory {
            if self.v2 {
                put(path, "memory.max", settings.memory)?;
            } else {
                // What the kernel keeps of files that were read.
                optional(put(path, "memory.force_empty", 0))?;
                // In this order: memory alone may never have a higher limit than memory and swap.
                put(path, "memory.limit_in_bytes", settings.memory)?;
                optional(put(path, "memory.memsw.limit_in_bytes", settings.memory))?;
            }
        }
        self.pids.as_deref().map_or(Ok(()), |path: &Path| put(path, "pids.max", settings.tasks))
    }

    /// Memory at this moment, swap included, in bytes.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        let path = self.memory.as_ref()?;
        if self.v2 {
            self.number(path, "memory.current")
        } else {
            self.number(path, "memory.memsw.usage_in_bytes").or_else(|| self.number(path, "memory.usage_in_bytes"))
        }
    }

    /// Lets [`Group::memory_peak`] begin again. Version 2 of cgroups has nothing like it for all readers, and tells the peak of all
    /// times.
    pub fn forget_memory_peak(&self) {
        if let (Some(path), false) = (&self.memory, self.v2) {
            for file in ["memory.max_usage_in_bytes", "memory.memsw.max_usage_in_bytes"] {
                // Where it cannot be, the peak is that of all times as well.
                let _ = put(path, file, 0);
            }
        }
    }
}
