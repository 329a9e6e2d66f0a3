//! Runtimes and engines of containers. Images are made of this host's own files: no registry is asked.

use std::{fs, io, os::unix::net::UnixStream, path::PathBuf};

use rustix::process::{Resource, getrlimit};

use super::{Job, Process, Way, Ways, before, noted, words};
use crate::bench::{ground::Ground, method::Found, process::Line, root};

pub(in crate::bench) fn gvisor(ground: &Ground, found: &Found) -> Ways {
    let state = ground.fresh("runsc")?;
    let rootless = if rustix::process::geteuid().is_root() { "" } else { "--rootless" };
    let by = |platform: &'static str, note| {
        let rest =
            format!("--root {} {rootless} --platform={platform} --network=none --ignore-cgroups do", state.display());
        noted(note, words(found.program(), &rest))
    };
    // Systrap came in 2023; ptrace works everywhere.
    Ok(vec![by("systrap", "platform systrap"), by("ptrace", "platform ptrace")])
}

pub(in crate::bench) fn lxc(ground: &Ground, found: &Found) -> Ways {
    let own = ground.fresh("lxc")?;
    let file = own.join("config");
    let text = format!(
        "lxc.rootfs.path = dir:{}\nlxc.net.0.type = empty\nlxc.apparmor.profile = unconfined\nlxc.mount.auto = proc:mixed\n\
         lxc.pty.max = 0\nlxc.tty.max = 0\nlxc.console.path = none\n",
        ground.root()?.display()
    );
    fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    let rest = format!("-P {} -n {} -f {} --", own.display(), ground.name(), file.display());
    Ok(vec![before(words(found.program(), &rest))])
}

pub(in crate::bench) fn nspawn(ground: &Ground, found: &Found) -> Ways {
    let rest = format!(
        "--quiet --as-pid2 --pipe --register=no --keep-unit --link-journal=no --timezone=off --resolv-conf=off \
         --private-network --read-only --machine={} --directory={}",
        ground.name(),
        ground.root()?.display()
    );
    Ok(vec![before(words(found.program(), &rest))])
}

pub(in crate::bench) fn docker(ground: &Ground, found: &Found) -> Ways {
    let engine = words(found.program(), "");
    let asked =
        Line { words: [&engine[..], &words("version", "--format {{.Server.Version}}")].concat(), ..Line::default() };
    ground.prepare(&asked).map_err(|because| format!("the engine does not answer: {because}"))?;
    let image = import(ground, &engine)?;
    Ok(vec![container(ground, "", &engine, "--network none", &image, engine_process())])
}

pub(in crate::bench) fn podman(ground: &Ground, found: &Found) -> Ways {
    // What hosts without systemd need, and those where root may not raise limits.
    const PLAIN: &str = "--cgroup-manager=cgroupfs --events-backend=file";
    let image = import(ground, &words(found.program(), PLAIN))?;
    let limits = format!("{}{}", limit("nofile", Resource::Nofile), limit("nproc", Resource::Nproc));
    let options = [
        ("", String::new(), ""),
        ("no systemd, low limits", PLAIN.to_owned(), &*limits),
        ("runc, no systemd, low limits", format!("{PLAIN} --runtime=runc"), &*limits),
    ];
    let way = |(note, global, limits): (_, String, &str)| {
        container(ground, note, &words(found.program(), &global), &format!("--network none {limits}"), &image, None)
    };
    Ok(options.into_iter().map(way).collect())
}

/// An option for a limit that needs no rights: as it is for this process, or less.
fn limit(name: &str, resource: Resource) -> String {
    let most = getrlimit(resource).maximum.map_or(4096, |maximum| maximum.min(4096));
    format!("--ulimit {name}={most}:{most} ")
}

/// `ENGINE run`, of an image.
fn container(
    ground: &Ground,
    note: &'static str,
    engine: &[String],
    run: &str,
    image: &str,
    daemon: Option<u32>,
) -> Way {
    let run = words("run", &format!("--rm --label {} {run} {image}", label(ground)));
    let words: Vec<String> = engine.iter().cloned().chain(run).collect();
    let line =
        move |job: Job<'_>| Ok(Line { words: words.iter().cloned().chain(job.words()).collect(), ..Line::default() });
    Way::Process(Process { note, line: Box::new(line), daemon })
}

/// What containers of this race are known by.
fn label(ground: &Ground) -> String {
    format!("palisade.bench={}", ground.token)
}

/// Makes an image, which is removed in the end with all containers of it.
fn import(ground: &Ground, engine: &[String]) -> Result<String, String> {
    let image = format!("{}:latest", ground.name());
    // The last one is for images of those who were killed before they could remove them.
    let each = "for id in $(\"$@\" ps -aq --filter label=LABEL); do \"$@\" rm -f $id; done; \"$@\" rmi -f IMAGE; \
                \"$@\" image prune -a -f --filter label=palisade.bench --filter until=24h";
    let script = each.replace("LABEL", &label(ground)).replace("IMAGE", &image);
    let undo = words("/bin/sh", "-c").into_iter().chain([script, "sh".to_owned()]).chain(engine.iter().cloned());
    ground.undo(Line { words: undo.collect(), ..Line::default() });
    let archive = ground.path().join("root.tar");
    let write = || root::tar(ground.root().map_err(io::Error::other)?, fs::File::create(&archive)?);
    write().map_err(|error| format!("{}: {error}", archive.display()))?;
    let mut take = [engine, &words("import", "--change")].concat();
    take.extend([format!("LABEL {}", label(ground)), archive.display().to_string(), image.clone()]);
    let take = Line { words: take, ..Line::default() };
    ground.prepare(&take).map_err(|because| format!("it takes no image: {because}"))?;
    Ok(image)
}

/// The engine's own process: whoever listens at its socket.
pub(super) fn engine_process() -> Option<u32> {
    let named = std::env::var("DOCKER_HOST").ok().and_then(|named| named.strip_prefix("unix://").map(PathBuf::from));
    let socket = UnixStream::connect(named.unwrap_or_else(|| "/run/docker.sock".into())).ok()?;
    let peer = rustix::net::sockopt::socket_peercred(&socket).ok()?;
    u32::try_from(peer.pid.as_raw_nonzero().get()).ok()
}
