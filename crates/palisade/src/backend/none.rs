//! No wall at all (R18): for development and as a baseline, only by name.
//!
//! The program has the caller's files, network and ids. It still gets a mount namespace, so that `/work` can exist, and a
//! pid namespace, so that nothing outlives the run; limits and supervision are the usual ones.

use std::path::{Path, PathBuf};

use palisade_spec::{Backend, Guarantees, Held, LayerStatus, NetworkPolicy, Weakening};

use super::{around, around::limits};
use crate::{
    bound::Resolved,
    error::Refusal,
    host::{Host, Ids},
    job::{Access, Base, Job},
    native::{self, Entry, Kind, Launch, Wall},
};

pub(super) fn guarantees(host: &Host) -> Guarantees {
    let no = |why: &str| Held::No(why.to_owned());
    // `palisade attack` shows it: root's program moves itself into another group, and anybody's has the host's /tmp.
    let (memory, cpu) = limits(host);
    let leaves = |held: Held| Held::Weakly(format!("{}, which a program with root's rights can leave", held.by()));
    Guarantees {
        memory: leaves(memory),
        cpu: leaves(cpu),
        disk: Held::Weakly("RLIMIT_FSIZE; /tmp and all else is the host's".to_owned()),
        files: no("the program has its caller's files"),
        network: no("the program has its caller's network"),
        processes: Held::Weakly(
            "pid namespace: all of them end with the run, and share everything else with the host".to_owned(),
        ),
        system_calls: no("there is no filter"),
        privileges: no("the program has its caller's ids and privileges"),
        ..around(host)
    }
}

/// Where a program's `/tmp` is: the host's is everybody's, so what palisade and the languages keep there by fixed names may have
/// been put there by somebody else. It is in memory, in the run's own mount namespace, and goes with that.
const SCRATCH: &str = "/.palisade/tmp";

/// Plans a launch without isolation.
pub(super) fn plan(job: Resolved, host: &Host) -> Result<Launch, Vec<Refusal>> {
    let (mut job, clamped) = job.into_parts_without_wall().map_err(|refusal| vec![refusal])?;
    let refusals = refusals(&job);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    job.network = NetworkPolicy::AllowAll;
    for (name, value) in &mut job.environment {
        if !job.stated.contains(name)
            && let Ok(rest) = Path::new(value.as_str()).strip_prefix("/tmp")
        {
            *value =
                Path::new(SCRATCH).components().chain(rest.components()).collect::<PathBuf>().display().to_string();
        }
    }
    let ids = Ids::same();
    // What is shown at another place than the host's covers what the host has there: /work, an environment (R15).
    let placed: Vec<PathBuf> = job.shown.iter().filter(|shown| shown.from != shown.at).map(|s| s.at.clone()).collect();
    let placed: Vec<PathBuf> = placed.into_iter().filter(|at| at.parent() == Some(Path::new("/"))).collect();
    let mut launch = native::launch(job, clamped, &Host { ids, landlock: 0, ..host.clone() })?;
    let own = ["/proc", "/work", "/build"];
    let mut tree: Vec<Entry> = Vec::new();
    for entry in std::fs::read_dir("/").into_iter().flatten().flatten() {
        let at = entry.path();
        if own.iter().any(|own| at == Path::new(own)) || placed.contains(&at) {
            continue;
        }
        tree.push(match std::fs::read_link(&at) {
            Ok(target) => Entry::Link { at, target },
            Err(_) => Entry::Host {
                from: at.clone(),
                kind: Kind::of(&at),
                at,
                access: Access::Write,
                owner: None,
                held: None,
            },
        });
    }
    let planned = std::mem::take(&mut launch.tree);
    let below = |at: &Path| own.iter().any(|own| at.starts_with(own)) || at.starts_with("/.palisade");
    let of_tmp = planned.iter().find_map(|entry| match *entry {
        Entry::Scratch { ref at, size, inodes } if at == Path::new("/tmp") => {
            Some([Entry::Directory { at: SCRATCH.into() }, Entry::Scratch { at: SCRATCH.into(), size, inodes }])
        }
        _ => None,
    });
    tree.extend(planned.into_iter().filter(|entry| match entry {
        Entry::Host { at, .. } => at.starts_with("/work") || at.starts_with("/.palisade") || placed.contains(at),
        Entry::Directory { at } | Entry::Copy { at, .. } => below(at),
        Entry::Scratch { at, .. } => at == Path::new("/build"),
        Entry::Proc | Entry::Terminals => true,
        _ => false,
    }));
    tree.extend(of_tmp.into_iter().flatten());
    launch.backend = Backend::None;
    launch.wall = Wall::Nothing;
    launch.tree = tree;
    launch.namespaces = vec!["user", "mount", "pid"];
    launch.weakened.retain(|weak| weak.what != "filesystem-isolation");
    launch.weakened.push(Weakening {
        what: "isolation".to_owned(),
        because: "the backend `none` was asked for".to_owned(),
        instead: "nothing: the program has your files, your network and your ids".to_owned(),
        hint: "leave --backend out".to_owned(),
    });
    for layer in &mut launch.layers {
        use palisade_spec::LayerName as N;
        if !matches!(layer.layer, N::ResourceLimits | N::TimeLimits | N::InputValidation | N::OutputFiltering) {
            layer.status = LayerStatus::Off;
            "the backend `none` was asked for".clone_into(&mut layer.by);
        }
    }
    Ok(launch)
}

/// What only a wall can hold, and must not be taken for held.
fn refusals(job: &Job) -> Vec<Refusal> {
    let wants = [
        (job.base == Base::Host, "the host's files read-only (--filesystem read-only)"),
        (!job.hidden.is_empty(), "hidden paths"),
        (!job.layers.is_empty(), "directories laid over each other"),
        (job.overlay.is_some(), "a copy-on-write view of a directory (--overlay)"),
        (job.outputs.is_some(), "outputs out of the program's own places (--output)"),
    ];
    let refusal = |needs: &str| Refusal {
        backend: "none",
        needs: needs.to_owned(),
        because: "without a wall the program reads and writes the host's own files".to_owned(),
        hint: "leave --backend out".to_owned(),
    };
    wants.into_iter().filter(|(wanted, _)| *wanted).map(|(_, needs)| refusal(needs)).collect()
}
