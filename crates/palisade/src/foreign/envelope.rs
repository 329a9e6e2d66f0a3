//! What is around a wall that another program makes, as a script for the kernel. Nothing is decided here.
//!
//! Our pid 1 builds the program's tree below a directory that is mounted in its own namespace only, and starts the wall's
//! program, which sees the host and that directory. Not here: what is the same for palisade's own wall (`native`).

use std::{io, os::fd::OwnedFd, path::Path};

use palisade_sys::{Listener, Namespaces, Op, Program, Script, Stdio, cgroup};

use super::{Foreign, RUN, Starter, Stay, order::random};
use crate::{
    host::Ids,
    native::{Builder, HOST_NAME, Launch, Opened, Pipes, Target, c_path, c_string, marks, root_options},
};

/// Below the anchor: the program's tree.
pub(super) const ROOT: &str = "root";
/// Below the anchor: what the wall's program has for itself.
pub(super) const OWN: &str = "wall";

/// The script for `launch` with these ids. It gives the handles of [`crate::native::handles`] away.
pub(crate) fn script(
    launch: &Launch,
    foreign: &Foreign,
    ids: Ids,
    pipes: Pipes,
    cgroup: Option<OwnedFd>,
    group: Option<&Path>,
) -> io::Result<Script> {
    let mut builder = Builder::new(Target::Directory);
    builder.ops.push(Op::Mark(marks::BORN));
    builder.ops.push(Op::Umask(0o022));
    builder.ops.push(Op::PrivateMounts);
    let opened = Opened::of(launch, ids, &mut builder)?;
    let namespaces = Namespaces::MOUNT.and(Namespaces::PID).and(foreign.around);
    let namespaces = match foreign.starter {
        Starter::Root => namespaces,
        Starter::Mapped | Starter::MappedRoot => {
            builder.ops.push(Op::AwaitIds);
            builder.ops.push(Op::SetIds { uid: ids.inside.0, gid: ids.inside.1, groups: ids.groups });
            namespaces.and(Namespaces::USER)
        }
    };
    if foreign.around.contains(Namespaces::UTS) {
        builder.ops.push(Op::HostName(c_string(HOST_NAME)?));
    }
    builder.ops.push(Op::Mark(marks::IDS));
    builder.ops.push(Op::EnterRoot { over: c_path(&launch.anchor)?, options: c_string("mode=0755,size=16m")? });
    for directory in [ROOT, OWN] {
        builder.ops.push(Op::Directory { path: c_string(directory)?, mode: 0o755 });
    }
    for (path, content) in &foreign.files {
        let path = c_string(format!("{OWN}/{path}"))?;
        builder.ops.push(Op::File { path, content: content.clone().into_bytes(), mode: 0o644 });
    }
    // Root builds the tree as the one whose files the program's are to be: so they are in every other wall.
    let builds_as = |uid, gid| (foreign.starter == Starter::Root).then_some(Op::FilesAs { uid, gid });
    builder.ops.extend(builds_as(ids.uid, ids.gid));
    builder.ops.push(Op::EnterRoot { over: c_string(ROOT)?, options: root_options(launch)? });
    opened.build(launch, &mut builder)?;
    builder.ops.extend(builds_as(0, 0));
    // What the wall's program reads of its processes has to be about those of its own namespace.
    builder.ops.push(Op::Mount {
        kind: c_string("proc")?,
        at: c_string("/proc")?,
        flags: libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
        options: c_string("")?,
    });
    for directory in &foreign.aside {
        let slot = builder.next_slot()?;
        let below = |part: &str| launch.anchor.join(part).join(directory.strip_prefix("/").unwrap_or(directory));
        let (path, at) = (c_path(&below(ROOT))?, c_path(&below(OWN))?);
        builder.ops.push(Op::Directory { path: at.clone(), mode: 0o755 });
        builder.ops.push(Op::OpenTree { slot, path, attributes: 0, same: None });
        builder.ops.push(Op::AttachTree { slot, at });
    }
    let mut own_group = None;
    if let (Some(at), Some(group)) = (&foreign.group_at, group) {
        let slot = builder.next_slot()?;
        builder.ops.push(Op::OpenTree { slot, path: c_path(group)?, attributes: 0, same: None });
        own_group = Some((slot, c_path(at)?));
    }
    for directory in &foreign.scratch {
        builder.ops.push(Op::Mount {
            kind: c_string("tmpfs")?,
            at: c_path(directory)?,
            flags: libc::MS_NOSUID | libc::MS_NODEV,
            options: c_string("mode=0755,size=16m")?,
        });
    }
    if let Some((slot, at)) = own_group {
        builder.ops.push(Op::Directory { path: at.clone(), mode: 0o755 });
        builder.ops.push(Op::AttachTree { slot, at });
    }
    builder.ops.push(Op::Mark(marks::FILES));
    builder.handles(launch)?;
    if matches!(launch.cgroup, Some(cgroup::Place::V1 { .. })) {
        builder.ops.push(Op::JoinCgroups);
    }
    builder.ops.push(Op::Mark(marks::CGROUP));
    for directory in &foreign.read_only {
        builder.ops.push(Op::WorkingDirectory(c_path(directory)?));
        builder.ops.push(Op::ReadOnlyTree { attributes: 0 });
    }
    if foreign.stay != Stay::Always {
        builder.ops.push(Op::OutliveProgram);
    }
    builder.ops.push(Op::WorkingDirectory(c_string("/")?));
    builder.ops.push(Op::Mark(marks::PRIVILEGES));
    let tool = c_path(&foreign.tool)?;
    let run = format!("{:016x}", u64::from_ne_bytes(random()?));
    let arguments = foreign.arguments.iter().map(|word| c_string(word.replace(RUN, &run)));
    let environment = foreign.environment.iter().map(|(name, value)| c_string(format!("{name}={value}")));
    Ok(Script {
        namespaces,
        cgroup,
        ops: builder.ops,
        aside: Vec::new(),
        program: Some(Program {
            stdio: Stdio::Given(pipes.0),
            // Limits and filter are the program's; the agent sets them.
            rlimits: Vec::new(),
            filter: Vec::new(),
            listener: Listener::Nobody,
            announcement: Vec::new(),
            candidates: vec![tool.clone()],
            arguments: std::iter::once(Ok(tool)).chain(arguments).collect::<io::Result<_>>()?,
            environment: environment.collect::<io::Result<_>>()?,
        }),
    })
}
