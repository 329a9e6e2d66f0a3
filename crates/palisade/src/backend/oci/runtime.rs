//! What is different between the runtimes: their names, where they come from, and what they are told.

use std::{fs::File, path::PathBuf};

use palisade_spec::{Backend, NetworkPolicy, Strength};

use crate::{
    backend::around::find,
    error::Refusal,
    foreign::{AGENTS, Kernel, Places, RUN, Room, Stay},
    native::Launch,
};

/// One runtime.
pub(super) struct Runtime {
    pub(super) backend: Backend,
    /// The names of its program.
    programs: &'static [&'static str],
    /// How it is had.
    install: &'static str,
    pub(super) strength: Strength,
    pub(super) kernel: Kernel,
    pub(super) arguments: fn(&Launch, &Places) -> Vec<String>,
    pub(super) environment: fn(&Places) -> Vec<(String, String)>,
    /// Host directories that it finds empty, and that are its own.
    pub(super) scratch: &'static [&'static str],
    /// Host directories in which it can change nothing.
    pub(super) read_only: &'static [&'static str],
    pub(super) stay: Stay,
    pub(super) room: fn(&Launch) -> Room,
}

/// Names another platform for gVisor.
const PLATFORM: &str = "PALISADE_GVISOR_PLATFORM";
const PLATFORMS: [&str; 3] = ["ptrace", "systrap", "kvm"];

const KVM: &str = "/dev/kvm";
const CGROUPS: &str = "/sys/fs/cgroup";
/// What one takes until the agent is alone.
const STARTING: Room = Room { processes: 8, threads: 32, memory: 32 << 20 };
const AGENT_ALONE: Room = Room { processes: AGENTS, threads: AGENTS, memory: 2 << 20 };

pub(super) const RUNC: Runtime = Runtime {
    backend: Backend::Runc,
    programs: &["runc"],
    install: "apt-get install runc",
    strength: Strength::Namespaces,
    kernel: Kernel::Hosts,
    // Without the right to make cgroups it makes none, and leaves its processes in that of the run.
    arguments: |_, places| run(places, &["--rootless", "true"], &["--detach"]),
    environment: |_| Vec::new(),
    scratch: &[],
    read_only: &[CGROUPS],
    stay: Stay::Before(STARTING),
    room: |_| AGENT_ALONE,
};

pub(super) const CRUN: Runtime = Runtime {
    backend: Backend::Crun,
    programs: &["crun"],
    install: "apt-get install crun",
    strength: Strength::Namespaces,
    kernel: Kernel::Hosts,
    arguments: |_, places| run(places, &["--cgroup-manager=disabled"], &["--detach"]),
    // Where it makes a copy of itself; without this, in /tmp.
    environment: |places| vec![("_LIBCONTAINER_STATEDIR".to_owned(), places.own.to_string_lossy().into_owned())],
    // Version 1.8 refuses hosts that have version 2 of cgroups below version 1, even if it makes none.
    scratch: &[CGROUPS],
    read_only: &[],
    stay: Stay::Before(STARTING),
    room: |_| AGENT_ALONE,
};

pub(super) const YOUKI: Runtime = Runtime {
    backend: Backend::Youki,
    programs: &["youki"],
    install: "get `youki` from https://github.com/youki-dev/youki/releases and put it on PATH",
    strength: Strength::Namespaces,
    kernel: Kernel::Hosts,
    arguments: |_, places| run(places, &[], &["--detach"]),
    environment: |_| Vec::new(),
    scratch: &[],
    read_only: &[CGROUPS],
    stay: Stay::Before(STARTING),
    room: |_| AGENT_ALONE,
};

pub(super) const GVISOR: Runtime = Runtime {
    backend: Backend::Gvisor,
    programs: &["runsc"],
    install: "apt-get install runsc",
    strength: Strength::UserSpaceKernel,
    kernel: Kernel::Own,
    arguments: |launch, places| {
        let network = if launch.job.network == NetworkPolicy::AllowAll { "host" } else { "none" };
        let network = format!("--network={network}");
        let platform = format!("--platform={}", platform());
        let own = ["--rootless", &platform, &network, "--ignore-cgroups", "--file-access=shared"];
        run(places, &own, &["--detach"])
    },
    environment: |_| Vec::new(),
    scratch: &[],
    read_only: &[],
    stay: Stay::Before(Room { processes: 16, threads: 256, memory: 128 << 20 }),
    // Measured with version 20221219: 40 tasks and 20 MiB, and up to 25 tasks and 1 MiB for each process inside.
    room: |launch| {
        let threads = launch.job.limits.threads.saturating_mul(32).saturating_add(128);
        Room { processes: 0, threads, memory: 48 << 20 }
    },
};

pub(super) const KATA: Runtime = Runtime {
    backend: Backend::Kata,
    programs: &["kata-runtime"],
    install: "get it from https://github.com/kata-containers/kata-containers/releases",
    strength: Strength::Hardware,
    kernel: Kernel::Own,
    arguments: |_, places| run(places, &[], &[]),
    environment: |_| Vec::new(),
    scratch: &[],
    read_only: &[CGROUPS],
    stay: Stay::Always,
    room: |_| Room { processes: 8, threads: 64, memory: 512 << 20 },
};

/// How gVisor gets hold of a program's system calls. Without a word of the user's by ptrace(2), which works on every host and with
/// every version; kvm needs a host that is no virtual machine itself, and systrap a version of 2023.
fn platform() -> String {
    std::env::var(PLATFORM).unwrap_or_else(|_| "ptrace".to_owned())
}

/// The command line of `run` (runc(8)), which all of them have.
fn run(places: &Places, of_all: &[&str], of_run: &[&str]) -> Vec<String> {
    let own = places.own.display();
    let mut words = vec!["--root".to_owned(), format!("{own}/state")];
    words.extend(of_all.iter().copied().map(str::to_owned));
    words.push("run".to_owned());
    words.extend(of_run.iter().copied().map(str::to_owned));
    words.extend(["--bundle".to_owned(), own.to_string(), format!("palisade-{RUN}")]);
    words
}

impl Runtime {
    /// Its program.
    ///
    /// # Errors
    /// Every reason why it cannot be tried.
    pub(super) fn find(&self) -> Result<PathBuf, Vec<Refusal>> {
        let refusal = |needs: &str, because: String, hint: String| Refusal {
            backend: self.backend.name(),
            needs: needs.to_owned(),
            because,
            hint,
        };
        let mut refusals = Vec::new();
        if self.strength == Strength::Hardware
            && let Err(error) = File::options().read(true).write(true).open(KVM)
        {
            let hint = "use a machine whose processor can virtualise, load its module (modprobe kvm_intel or kvm_amd), and be a \
                        member of the group kvm";
            refusals.push(refusal("a virtual machine", format!("{KVM}: {error}"), hint.to_owned()));
        }
        if self.backend == Backend::Gvisor && !PLATFORMS.contains(&&*platform()) {
            let because = format!("{PLATFORM} is `{}`, which is none", platform());
            refusals.push(refusal("a platform", because, format!("say one of {}, or nothing", PLATFORMS.join(", "))));
        }
        if self.backend == Backend::Gvisor
            && platform() == "kvm"
            && let Err(error) = File::options().read(true).write(true).open(KVM)
        {
            let hint = format!("unset {PLATFORM}, or be a member of the group kvm on a machine that has {KVM}");
            refusals.push(refusal("the platform kvm", format!("{KVM}: {error}"), hint));
        }
        match find(self.backend, self.programs, self.install) {
            Ok(program) if refusals.is_empty() => Ok(program),
            Ok(_) => Err(refusals),
            Err(missing) => Err(missing.into_iter().chain(refusals).collect()),
        }
    }
}
