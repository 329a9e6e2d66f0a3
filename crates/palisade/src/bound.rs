//! Holding a request below ceilings and named policies.
//!
//! In: a request, and the jobs it became. Out: [`Resolved`] jobs, the only ones that a backend can plan for. A request is
//! held twice: what was asked for is narrowed before it becomes jobs, so that every default follows what is really given;
//! then each job is held as a whole, whoever put what into it: language definitions, environments, the caller.
//! Not here: what is a ceiling (`ceiling`), where policies come from (`policies`).

use std::path::{Component, Path, PathBuf};

use palisade_spec::{
    Capabilities, Clamp, FilesPolicy, HostileCalls, Layers, Limits, LimitsAsk, NamedPolicy, NetworkPolicy,
    OutputExcess, Policy, Request, Seen, Strength, Strictness, changes,
};

use crate::{
    ceiling::ceilings,
    error::{Refusal, StartError},
    hiding::nearest,
    host,
    job::{Access, Base, Given, Job, Shown},
    language::WORK,
    layers,
    policies::{Mode, PolicyError},
    trees,
};

/// One job within every bound: what backends plan for. Only [`Bounds::hold`] makes one.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    job: Job,
    /// What the policy lets the whole request reach.
    network: NetworkPolicy,
    clamped: Vec<Clamp>,
    output_excess: OutputExcess,
    strictness: Strictness,
    strength: Strength,
    /// Who forbids what a missing wall would give.
    walled: Option<String>,
}

impl Resolved {
    /// The job, and what is lower in it than was asked for.
    pub(crate) fn into_parts(self) -> (Job, Vec<Clamp>) {
        (self.job, self.clamped)
    }

    /// As [`Resolved::into_parts`], for a backend that holds nothing but limits.
    pub(crate) fn into_parts_without_wall(self) -> Result<(Job, Vec<Clamp>), Refusal> {
        match self.walled {
            None => Ok((self.job, self.clamped)),
            Some(name) => Err(Refusal {
                backend: "none",
                needs: "every file, network and privilege of the caller to be allowed".to_owned(),
                because: format!("{name} forbids some of them, and without a wall nothing is forbidden"),
                hint: "leave --backend out".to_owned(),
            }),
        }
    }

    /// What the policy lets it reach. A compiler asks for less, and a wall that could not hold that breaks no policy.
    pub(crate) const fn network(&self) -> &NetworkPolicy {
        &self.network
    }

    /// Its limits.
    pub(crate) const fn limits(&self) -> &Limits {
        &self.job.limits
    }

    /// Its overlays.
    pub(crate) fn layers(&self) -> &[Layers] {
        &self.job.layers
    }

    /// Adds files to be copied in: what an earlier job made.
    pub(crate) fn give(&mut self, files: Vec<Given>) {
        self.job.given.extend(files);
    }

    /// What happens at the output limit.
    pub(crate) const fn output_excess(&self) -> OutputExcess {
        self.output_excess
    }

    /// The weakest wall that will do.
    pub(crate) const fn strength(&self) -> Strength {
        self.strength
    }

    /// What happens if a protection is weaker.
    pub(crate) const fn strictness(&self) -> Strictness {
        self.strictness
    }
}

/// Everything that bounds one request.
#[derive(Debug)]
pub(crate) struct Bounds(Vec<Bound>);

#[derive(Debug)]
struct Bound {
    /// For messages: `the ceiling /etc/palisade/ceiling.toml`.
    name: String,
    /// What becomes of what exceeds it. Of a policy that was asked for, the defaults that it lowers are no news.
    kind: Kind,
    policy: Policy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ceiling(Mode),
    AskedFor,
}

impl Bounds {
    /// The ceilings of this host, and the policies that the request asks for.
    pub(crate) fn of(request: &Request) -> Result<Self, PolicyError> {
        Self::and(&request.policies)
    }

    /// The ceilings of this host, and these policies.
    pub(crate) fn and(policies: &[NamedPolicy]) -> Result<Self, PolicyError> {
        let mut all: Vec<Bound> = ceilings()?
            .into_iter()
            .map(|ceiling| Bound {
                name: format!("the ceiling {}", ceiling.file.display()),
                kind: Kind::Ceiling(ceiling.mode),
                policy: ceiling.policy.policy,
            })
            .collect();
        all.extend(policies.iter().map(|named| Bound {
            name: format!("the policy {}", named.id),
            kind: Kind::AskedFor,
            policy: named.policy.clone(),
        }));
        for bound in &mut all {
            bound.policy.files.hidden = hidden(&bound.policy.files.hidden);
            bound.policy.files.kept = hidden(&bound.policy.files.kept);
        }
        Ok(Self(all))
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The most memory that any job may have, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.0.iter().filter_map(|bound| bound.policy.limits.memory).map(|memory| memory.0).min().unwrap_or(u64::MAX)
    }

    /// Narrows what was asked for: never wider than either side. What nobody asked for stays unasked.
    ///
    /// # Errors
    /// Every value above a ceiling that refuses.
    pub(crate) fn narrow(&self, asked: &Policy) -> Result<(Policy, Vec<Clamp>), StartError> {
        let trees = Asked::of(&asked.files);
        let mut policy = Policy { files: trees.canonical(&asked.files), ..asked.clone() };
        let mut clamped = Vec::new();
        let mut excess = Vec::new();
        for bound in &self.0 {
            let before = policy.clone();
            let limits = asked_only(&before.limits, &before.limits.meet(&bound.policy.limits));
            policy = Policy { limits, ..before.meet(&bound.around()) };
            let changes = changes(&before, &policy, &bound.name);
            let (told, mut refused) = bound.tell(changes);
            clamped.extend(told);
            excess.append(&mut refused);
        }
        if !excess.is_empty() {
            return Err(StartError::Exceeds { excess });
        }
        policy.files = trees.as_asked(policy.files);
        Ok((policy, clamped))
    }

    /// As [`Bounds::narrow`], of what nobody asked for too, where nothing is refused and everything is told.
    pub(crate) fn lower(&self, asked: &Policy) -> (Policy, Vec<Clamp>) {
        let trees = Asked::of(&asked.files);
        let mut policy = Policy { files: trees.canonical(&asked.files), ..asked.clone() };
        let mut lowered = Vec::new();
        for bound in &self.0 {
            let before = policy;
            policy = before.meet(&bound.around());
            lowered.extend(changes(&before, &policy, &bound.name));
        }
        policy.files = trees.as_asked(policy.files);
        (policy, lowered)
    }

    /// Holds a job, whoever put what into it. `policy` is what was narrowed, `clamped` what that took.
    ///
    /// # Errors
    /// If the job shows a tree that a bound does not let it see. Such a tree is one that the program cannot do without.
    pub(crate) fn hold(&self, mut job: Job, policy: &Policy, mut clamped: Vec<Clamp>) -> Result<Resolved, StartError> {
        let mut network = policy.network.clone();
        for bound in &self.0 {
            if job.base == Base::Host {
                bound.check(&Shown::read(Path::new("/")))?;
            }
            for shown in &trees(&job) {
                bound.check(shown)?;
            }
            // What the policy hides has become the job's; should anything be missing, it is hidden all the same.
            for path in &bound.policy.files.hidden {
                if !job.hidden.iter().any(|hidden| path.starts_with(hidden)) {
                    job.hidden.push(path.clone());
                }
            }
            job.kept.extend(
                bound.policy.files.kept.iter().filter(|path| !job.kept.contains(path)).cloned().collect::<Vec<_>>(),
            );
            let before = Policy { limits: ask_of(&job.limits), ..Policy::default() };
            let after = Policy { limits: before.limits.meet(&bound.policy.limits), ..Policy::default() };
            if matches!(bound.kind, Kind::Ceiling(_)) {
                clamped.extend(changes(&before, &after, &bound.name));
            }
            job.limits = after.limits.or_default();
            job.network = job.network.meet(&bound.policy.network);
            network = network.meet(&bound.policy.network);
            job.capabilities = job.capabilities.meet(bound.policy.capabilities);
            job.hostile_calls = job.hostile_calls.max(bound.policy.hostile_calls);
        }
        layers::check_hidden(&job)?;
        Ok(Resolved {
            job,
            network,
            clamped,
            output_excess: policy.output_excess,
            strictness: policy.strictness,
            strength: policy.strength,
            walled: self.0.iter().find(|bound| bound.needs_wall()).map(|bound| bound.name.clone()),
        })
    }
}

impl Bound {
    /// The bound as a request is met with it: what every sandbox shows may be asked for too.
    fn around(&self) -> Policy {
        let mut policy = self.policy.clone();
        policy.files.read.extend(host::system_paths().map(PathBuf::from));
        policy
    }

    /// What is told of changes, and what is refused because of them.
    fn tell(&self, changes: Vec<Clamp>) -> (Vec<Clamp>, Vec<Clamp>) {
        // Nobody asks for a reaction to be mild, or for nothing to be hidden: these are defaults.
        let is_default = |clamp: &Clamp| {
            ["hostile-calls", "output-excess", "strictness", "strength", "files.hidden"].contains(&clamp.what.as_str())
        };
        match self.kind {
            Kind::Ceiling(Mode::Clamp) => (changes, Vec::new()),
            Kind::Ceiling(Mode::Refuse) => changes.into_iter().partition(is_default),
            Kind::AskedFor => (changes.into_iter().filter(|clamp| !is_default(clamp)).collect(), Vec::new()),
        }
    }

    fn check(&self, shown: &Shown) -> Result<(), StartError> {
        let Shown { from, at, access, held: _ } = shown;
        let files = &self.policy.files;
        let seen = files.allows(from);
        let is_hidden = files.hidden.iter().any(|hidden| from.starts_with(hidden));
        // Compared as text, which `..` would mislead. Links are refused where the tree is opened.
        let is_plain = !from.components().any(|part| part == Component::ParentDir);
        let (doing, allowed) = match access {
            Access::Write => ("written", seen == Seen::Writable),
            Access::Read | Access::Overlay => ("read", seen >= Seen::Readable || (host::is_system(from) && !is_hidden)),
        };
        if allowed && is_plain {
            return Ok(());
        }
        let hint = if at == Path::new(WORK) && *access == Access::Read {
            "leave --with-dir out: the file alone is copied in".to_owned()
        } else {
            format!(
                "the program needs it at {}; ask whoever keeps the bound to add it to [files], or use tools under /usr",
                at.display()
            )
        };
        Err(StartError::Path { path: from.clone(), because: format!("{} does not let it be {doing}", self.name), hint })
    }

    /// Whether something is forbidden here that only a wall can forbid.
    fn needs_wall(&self) -> bool {
        let policy = &self.policy;
        policy.files.normal() != FilesPolicy::open().normal()
            || policy.network != NetworkPolicy::AllowAll
            || policy.capabilities != Capabilities::all()
            || policy.hostile_calls != HostileCalls::Deny
    }
}

/// Every host tree that a job shows. All fields stand here, so that a new one cannot be forgotten.
fn trees(job: &Job) -> Vec<Shown> {
    let Job {
        shown,
        layers,
        // Copies of what the caller read, as its standard input is.
        given: _,
        // The sandbox's own.
        stage: _,
        command: _,
        environment: _,
        stated: _,
        directory: _,
        artefact: _,
        zygote: _,
        blank: _,
        terminal: _,
        // Taken out by the caller's own rights, after the run.
        outputs: _,
        // One of those shown.
        overlay: _,
        // Nothing that is shown, or held by `Bounds::hold`.
        base: _,
        hidden: _,
        kept: _,
        network: _,
        capabilities: _,
        hostile_calls: _,
        limits: _,
    } = job;
    shown.iter().cloned().chain(layers.iter().flat_map(layers::trees)).collect()
}

/// Host paths of a request: as they were asked for, and where they are. What is not there is an error of its own, later.
struct Asked {
    read: Vec<Named>,
    write: Vec<Named>,
    kept: Vec<PathBuf>,
}

#[derive(Clone, Debug)]
struct Named {
    asked: PathBuf,
    /// Canonical, if it is there.
    real: Option<PathBuf>,
}

impl Asked {
    fn of(files: &FilesPolicy) -> Self {
        let named = |path: &PathBuf| Named { asked: path.clone(), real: path.canonicalize().ok() };
        let kept = trees::kept(files);
        Self { read: files.read.iter().map(named).collect(), write: files.write.iter().map(named).collect(), kept }
    }

    fn canonical(&self, files: &FilesPolicy) -> FilesPolicy {
        let real = |paths: &[Named]| paths.iter().filter_map(|path| path.real.clone()).collect();
        let (read, write) = (real(&self.read), real(&self.write));
        FilesPolicy { read, write, hidden: hidden(&files.hidden), kept: self.kept.clone() }
    }

    /// What is left, under the names by which it was asked for.
    fn as_asked(&self, left: FilesPolicy) -> FilesPolicy {
        let within = |asked: &[Named], trees: &[PathBuf]| -> Vec<Named> {
            asked.iter().flat_map(|path| path.within(trees, &left.hidden)).collect()
        };
        let write = within(&self.write, &left.write);
        let mut read = within(&self.read, &[&*left.read, &left.write].concat());
        // What may not be written may still be read.
        read.extend(within(&self.write, &left.read));
        // A tree that is shown for writing needs no second entry that would cover it. What of it is only read is `kept`.
        read.retain(|path| !write.iter().any(|tree| path.is_below(tree)));
        let asked = |paths: Vec<Named>| sorted(paths.into_iter().map(|path| path.asked).collect());
        FilesPolicy { read: asked(read), write: asked(write), hidden: left.hidden, kept: left.kept }
    }
}

impl Named {
    /// What of it lies within these trees and is not hidden.
    fn within(&self, trees: &[PathBuf], hidden: &[PathBuf]) -> Vec<Self> {
        let Some(real) = &self.real else { return vec![self.clone()] };
        if hidden.iter().any(|hidden| real.starts_with(hidden)) {
            return Vec::new();
        }
        if trees.iter().any(|tree| real.starts_with(tree)) {
            return vec![self.clone()];
        }
        // A tree of a bound is where it says, or not at all. What every program sees needs no entry.
        let is_real =
            |tree: &&PathBuf| !host::is_system(tree) && tree.canonicalize().is_ok_and(|canonical| canonical == **tree);
        let part = |tree: &PathBuf| {
            let below = tree.strip_prefix(real).ok()?;
            Some(Self { asked: self.asked.join(below), real: Some(tree.clone()) })
        };
        trees.iter().filter(is_real).filter_map(part).collect()
    }

    /// Whether it lies below the other on the host, and would be mounted below it.
    fn is_below(&self, other: &Self) -> bool {
        let real = self.real.as_ref().zip(other.real.as_ref()).is_some_and(|(ours, theirs)| ours.starts_with(theirs));
        real && self.asked.starts_with(&other.asked)
    }
}

fn sorted(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort();
    paths.dedup();
    paths
}

/// Where paths to hide really are.
fn hidden(paths: &[PathBuf]) -> Vec<PathBuf> {
    // A path that cannot be made absolute is hidden by the name it has.
    sorted(paths.iter().map(|path| nearest(&std::path::absolute(path).unwrap_or_else(|_| path.clone()))).collect())
}

/// The lower limits, of those that were asked for.
fn asked_only(asked: &LimitsAsk, met: &LimitsAsk) -> LimitsAsk {
    fn both<T: Copy>(asked: Option<T>, met: Option<T>) -> Option<T> {
        asked.and(met)
    }
    LimitsAsk {
        wall_time: both(asked.wall_time, met.wall_time),
        cpu_time: both(asked.cpu_time, met.cpu_time),
        memory: both(asked.memory, met.memory),
        processes: both(asked.processes, met.processes),
        threads: both(asked.threads, met.threads),
        descriptors: both(asked.descriptors, met.descriptors),
        file_size: both(asked.file_size, met.file_size),
        tmp_size: both(asked.tmp_size, met.tmp_size),
        tmp_inodes: both(asked.tmp_inodes, met.tmp_inodes),
        output: both(asked.output, met.output),
        cpu_percent: both(asked.cpu_percent, met.cpu_percent),
    }
}

pub(crate) fn ask_of(limits: &Limits) -> LimitsAsk {
    LimitsAsk {
        wall_time: Some(limits.wall_time),
        cpu_time: Some(limits.cpu_time),
        memory: Some(limits.memory),
        processes: Some(limits.processes),
        threads: Some(limits.threads),
        descriptors: Some(limits.descriptors),
        file_size: Some(limits.file_size),
        tmp_size: Some(limits.tmp_size),
        tmp_inodes: Some(limits.tmp_inodes),
        output: Some(limits.output),
        cpu_percent: limits.cpu_percent,
    }
}
