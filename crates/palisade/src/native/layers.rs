//! Stacks as steps: opened while the process may look at the host's paths, mounted as the user who will use them.
//!
//! In: [`Entry::Layers`]s. Out: for each a slot with a tree. Not here: where the trees are attached (`script.rs`), what is
//! in them (`crate::layers`).
//!
//! The kernel works on the layers as whoever mounts the overlay, so that is done after the process has taken its ids;
//! what it makes on the upper layer then belongs to the program. Everything is made before the new root is the root: until
//! then /proc, through which layers are named, is the host's.

use std::{
    ffi::CString,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use palisade_spec::Upper;
use palisade_sys::{Groups, LayerRole, Op, Slot};

use super::{
    builder::Builder,
    files::Entry,
    script::{c_path, c_string},
};
use crate::{error::Refusal, host::Host, job::Job};

/// So many layers, in all overlays, are held open and mounted by one mount(2), which Linux 5.11 can do. For more, Linux 6.5
/// is needed, where layers are added one by one.
const FEW: usize = 64;

/// `MOUNT_ATTR_*` of every overlay.
const ATTRIBUTES: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// Refuses what is above layers and closed to the program: as root's it runs as somebody who owns nothing.
pub(super) fn refuse_closed(job: &Job, host: &Host, refusals: &mut Vec<Refusal>) {
    if host.ids.groups != Groups::Drop {
        return;
    }
    let is_open = |path: &Path| path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o002 != 0);
    for stack in &job.layers {
        let Upper::Kept { changes, work } = &stack.upper else { continue };
        for place in [changes, work].into_iter().filter(|place| !is_open(place)) {
            refusals.push(Refusal {
                backend: "native",
                needs: "write access to what is above the layers".to_owned(),
                because: format!(
                    "{} is not writable by others, and root's programs run as an own user",
                    place.display()
                ),
                hint: "run palisade as the ordinary user who owns it, or open it to others (chmod 777) inside a \
                       directory that is closed to them"
                    .to_owned(),
            });
        }
    }
}

/// The overlays of one tree, opened and not yet mounted.
pub(super) struct Stacks<'a> {
    how: How,
    opened: Vec<Opened<'a>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// All layers in one option.
    AtOnce,
    /// One by one.
    OneByOne,
}

struct Opened<'a> {
    /// Where the tree will be; until then, what the layers are added to.
    slot: Slot,
    lower: Vec<Slot>,
    upper: &'a Upper,
    kept: Option<[Slot; 2]>,
}

impl<'a> Stacks<'a> {
    pub(super) fn of(tree: &[Entry]) -> Self {
        let layers: usize =
            tree.iter().map(|entry| if let Entry::Layers { lower, .. } = entry { lower.len() } else { 0 }).sum();
        Self { how: if layers <= FEW { How::AtOnce } else { How::OneByOne }, opened: Vec::new() }
    }

    /// Steps that open one overlay's directories, and the slot where its tree will be.
    pub(super) fn open(&mut self, builder: &mut Builder, lower: &[PathBuf], upper: &'a Upper) -> io::Result<Slot> {
        let slot = builder.next_slot()?;
        let mut opened = Opened { slot, lower: Vec::new(), upper, kept: None };
        if self.how == How::OneByOne {
            builder.ops.push(Op::BeginOverlay { slot });
        }
        for path in lower {
            if let Some(slot) = self.layer(builder, slot, LayerRole::Lower, c_path(path)?)? {
                opened.lower.push(slot);
            }
        }
        if let Upper::Kept { changes, work } = upper {
            opened.kept = self.upper(builder, slot, [c_path(changes)?, c_path(work)?])?;
        }
        self.opened.push(opened);
        Ok(slot)
    }

    /// Steps that mount all of them. The new root is the working directory.
    ///
    /// What is made below /tmp is covered when the program's own /tmp is mounted.
    pub(super) fn mount(self, builder: &mut Builder, inodes: u32) -> io::Result<()> {
        let how = self.how;
        for (number, opened) in self.opened.iter().enumerate() {
            let mut upper = opened.kept;
            if let Upper::Scratch(size) = opened.upper {
                let scratch = format!("/tmp/{number}");
                builder.directory(scratch.as_ref())?;
                builder.ops.push(Op::Mount {
                    kind: c_string("tmpfs")?,
                    at: c_string(&scratch[1..])?,
                    flags: libc::MS_NOSUID | libc::MS_NODEV,
                    options: c_string(format!("mode=0700,size={},nr_inodes={inodes}", size.0))?,
                });
                let places = [format!("{scratch}/upper"), format!("{scratch}/work")];
                for place in &places {
                    builder.directory(place.as_ref())?;
                }
                let [changes, work] = places.map(|place| c_string(&place[1..]));
                upper = self.upper(builder, opened.slot, [changes?, work?])?;
            }
            let read_only = if *opened.upper == Upper::ReadOnly { libc::MOUNT_ATTR_RDONLY } else { 0 };
            let attributes = ATTRIBUTES | read_only;
            if how == How::OneByOne {
                builder.ops.push(Op::FinishOverlay { slot: opened.slot, attributes });
                continue;
            }
            let place = format!("/tmp/{number}-all");
            builder.directory(place.as_ref())?;
            let at = c_string(&place[1..])?;
            builder.ops.push(Op::MountOverlay { lower: opened.lower.clone(), upper, at: at.clone() });
            builder.ops.push(Op::OpenTree { slot: opened.slot, path: at, attributes, same: None });
        }
        Ok(())
    }

    fn upper(&self, builder: &mut Builder, slot: Slot, [changes, work]: [CString; 2]) -> io::Result<Option<[Slot; 2]>> {
        let changes = self.layer(builder, slot, LayerRole::Upper, changes)?;
        let work = self.layer(builder, slot, LayerRole::Work, work)?;
        Ok(changes.zip(work).map(|(changes, work)| [changes, work]))
    }

    /// The slot of the opened layer, if it is held open.
    fn layer(&self, builder: &mut Builder, slot: Slot, role: LayerRole, path: CString) -> io::Result<Option<Slot>> {
        match self.how {
            How::OneByOne => {
                builder.ops.push(Op::AddLayer { slot, role, path });
                Ok(None)
            }
            How::AtOnce => {
                let own = builder.next_slot()?;
                builder.ops.push(Op::OpenLayer { slot: own, path });
                Ok(Some(own))
            }
        }
    }
}
