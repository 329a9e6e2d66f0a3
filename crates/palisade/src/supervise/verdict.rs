//! From what was seen to what is said: outcome, violations, report.
//!
//! Who ended a program is never guessed: a memory verdict needs the cgroup's own counter, a call its notification or
//! SIGSYS, a time limit our timers.

use std::time::Duration;

use palisade_spec::{
    HostileCalls, Layer, LayerName, LayerStatus, LimitKind, Outcome, Phases, Report, SCHEMA, Signal, Violation,
    ViolationKind, Weakening,
};
use palisade_sys::{cgroup::Group, notify::Call, seccomp::name_of};

use super::{Evidence, Finished, Remains, Run, Stop};
use crate::{
    error::{About, StartError},
    foreign::Kernel,
    native::{self, marks},
};

/// Different hostile calls that a report lists.
const LISTED: usize = 64;

/// What is noted while a program runs.
#[derive(Debug)]
pub(super) struct Acts {
    /// Hostile calls by name, with how often each was made.
    calls: Vec<(&'static str, u64)>,
    omitted: u64,
    /// What turned out weaker than planned.
    pub(super) weakened: Vec<Weakening>,
    /// Nanoseconds after the start at which the counters are read next.
    pub(super) next_sample: u64,
    /// Nanoseconds after the start before which the CPU limit cannot have been reached.
    pub(super) next_cpu_look: u64,
}

impl Acts {
    pub(super) fn new() -> Self {
        let first = super::nanos(super::SAMPLING);
        Self { calls: Vec::new(), omitted: 0, weakened: Vec::new(), next_sample: first, next_cpu_look: first }
    }

    pub(super) fn note(&mut self, call: &'static str) {
        if let Some((_, times)) = self.calls.iter_mut().find(|(name, _)| *name == call) {
            *times += 1;
        } else if self.calls.len() < LISTED {
            self.calls.push((call, 1));
        } else {
            self.omitted += 1;
        }
    }

    /// Notes one that was to be told when it was made.
    pub(super) fn make_up_for(&mut self, call: &'static str) {
        if !self.calls.iter().any(|(name, _)| *name == call) && self.omitted == 0 {
            self.note(call);
        }
    }

    pub(super) fn without_cgroup(&mut self, because: &str) {
        let all = native::without_cgroup(because).into_iter();
        self.weakened.extend(all.filter(|weak| weak.what != "cpu-limit"));
    }

    /// Notes what a group lacks although its place was thought to have it.
    pub(super) fn note_group(&mut self, group: &Group) {
        for (controller, error) in group.failures() {
            let what = match *controller {
                "memory" => "memory",
                "pids" => "threads",
                "cpuacct" => "cpu-time",
                _ => "cpu-limit",
            };
            let because = error.to_string();
            self.weakened.extend(native::without_cgroup(&because).into_iter().filter(|weak| weak.what == what));
        }
    }
}

pub(super) fn call_name(call: &Call) -> &'static str {
    u32::try_from(call.number).ok().and_then(name_of).unwrap_or("an unknown call")
}

impl Run<'_> {
    /// The story of a run that has ended.
    pub(super) fn finish(mut self) -> Result<Finished, StartError> {
        if let Some(errno) = self.failed.filter(|_| self.stop.is_none()) {
            return Err(self.not_executed(errno));
        }
        let cpu = Duration::from_nanos(self.meter.cpu_nanos());
        let outcome = self.outcome(cpu);
        let mut violations = Vec::new();
        if let Some(Stop::Limit(limit, evidence)) = &self.stop {
            violations.push(limit_violation(*limit, evidence));
        }
        violations.extend(self.acts.calls.iter().map(|(name, times)| Violation {
            kind: ViolationKind::SystemCall,
            what: (*name).to_owned(),
            limit: None,
            measured: Some(if *times == 1 { "once".to_owned() } else { format!("{times} times") }),
            evidence: "notification of the system call filter".to_owned(),
        }));
        if let (Outcome::Violation { what }, None) = (&outcome, &self.stop) {
            violations.push(Violation {
                kind: ViolationKind::SystemCall,
                what: what.clone(),
                limit: None,
                measured: None,
                evidence: "the program was killed by SIGSYS".to_owned(),
            });
        }
        let mut weakened = self.launch.weakened.clone();
        weakened.append(&mut self.acts.weakened);
        let end = if self.times.exited > 0 { self.times.exited } else { self.times.reaped };
        let [stdout, stderr] = self.streams.output.each_mut().map(|drain| std::mem::take(&mut drain.stream));
        let mut report = Report {
            schema: SCHEMA,
            success: outcome == Outcome::Exited { code: 0 },
            exit_code: outcome.exit_code(),
            outcome,
            ended_in: self.launch.job.stage,
            stdout,
            stderr,
            execution_time_ms: milliseconds(self.times.started, end),
            cpu_time_ms: cpu.as_secs_f64() * 1000.0,
            memory_used_bytes: self.meter.memory_peak(),
            processes_peak: self.meter.processes_peak,
            threads_peak: self.meter.threads_peak(),
            backend: self.launch.backend,
            violations,
            violations_omitted: self.acts.omitted,
            layers: layers(&self.launch.layers, &weakened),
            weakened,
            clamped: self.launch.clamped.clone(),
            passed_over: Vec::new(),
            layer_conflicts: Vec::new(),
            layer_conflicts_omitted: 0,
            limits: self.launch.job.limits.clone(),
            phases_ms: self.phases(end),
            changes: None,
            outputs: None,
            outputs_left: Vec::new(),
            compile: None,
        };
        report.weakened.extend(self.child.remove(self.launch.backend));
        if let (true, Some(warm)) = (self.leaves_remains(), self.connection.turn.warm) {
            (warm.leave)(Remains { _child: self.child, _meter: self.meter });
        }
        Ok(Finished { report, left: self.left })
    }

    /// Whether nobody but the filter itself answers hostile calls, by a kill.
    fn is_unheard_and_killed(&self) -> bool {
        let brings_kernel = self.launch.foreign.as_ref().is_some_and(|foreign| foreign.kernel == Kernel::Own);
        brings_kernel && self.launch.job.hostile_calls == HostileCalls::Kill
    }

    fn outcome(&mut self, cpu: Duration) -> Outcome {
        // So that the verdict does not depend on who looked first.
        if self.stop.is_none() {
            self.stop = self.memory_excess().or_else(|| self.thread_excess());
        }
        match (&self.stop, self.exit) {
            (Some(Stop::Limit(limit, _)), _) => return Outcome::LimitHit { limit: *limit },
            (Some(Stop::Hostile(name)), _) => return Outcome::Violation { what: (*name).to_owned() },
            (Some(Stop::Cancelled), _) => return Outcome::Cancelled,
            // Somebody outside killed pid 1 of the sandbox.
            (None, None) => return Outcome::Signalled { signal: Signal::KILL },
            (None, Some(_)) => {}
        }
        let status = self.exit.unwrap_or_default();
        if libc::WIFEXITED(status) {
            return Outcome::Exited { code: libc::WEXITSTATUS(status) };
        }
        let limits = &self.launch.job.limits;
        let (limit, evidence) = match libc::WTERMSIG(status) {
            libc::SIGSYS if self.is_unheard_and_killed() => {
                return Outcome::Violation {
                    what: "a hostile call; the kernel that this wall brings does not say which".to_owned(),
                };
            }
            libc::SIGSYS => return Outcome::Violation {
                what:
                    "killed by SIGSYS: a call of another architecture, a filter of its own, or a signal it sent itself"
                        .to_owned(),
            },
            libc::SIGXFSZ => {
                let measured = "a write beyond it".to_owned();
                (
                    LimitKind::Disk,
                    Evidence {
                        limit: limits.file_size.to_string(),
                        measured,
                        from: "SIGXFSZ, which the kernel sends at this limit".to_owned(),
                    },
                )
            }
            signal @ (libc::SIGXCPU | libc::SIGKILL) if cpu >= limits.cpu_time => {
                let from = format!("{} by RLIMIT_CPU", Signal(signal));
                let measured = super::seconds(cpu);
                (LimitKind::CpuTime, Evidence { limit: super::seconds(limits.cpu_time), measured, from })
            }
            signal => return Outcome::Signalled { signal: Signal(signal) },
        };
        self.stop = Some(Stop::Limit(limit, evidence));
        Outcome::LimitHit { limit }
    }

    fn not_executed(&self, errno: i32) -> StartError {
        let program = self.launch.job.command.first().cloned().unwrap_or_default();
        match errno {
            libc::ENOENT => {
                let hint = if program.contains('/') && std::path::Path::new(&program).exists() {
                    format!(
                        "{program} is on the host, but the program sees only /usr and what is given: add --allow-read \
                         {program} (a script needs its interpreter as well)"
                    )
                } else if program.contains('/') {
                    "the host has no such file either".to_owned()
                } else {
                    let path = self.launch.job.environment.iter().find(|(name, _)| name == "PATH");
                    format!("PATH inside is {}", path.map_or("empty", |(_, path)| path))
                };
                StartError::NotFound { program, hint }
            }
            libc::EACCES | libc::ENOEXEC | libc::EPERM | libc::EISDIR | libc::ELIBBAD => {
                StartError::NotExecutable { program, source: std::io::Error::from_raw_os_error(errno) }
            }
            _ => StartError::Setup {
                step: format!("execute {program}"),
                source: std::io::Error::from_raw_os_error(errno),
                hint: None,
                about: About::Request,
            },
        }
    }

    fn phases(&self, end: u64) -> Phases {
        let times = &self.times;
        let at = |mark: usize| times.marks.get(mark).copied().unwrap_or(0);
        let mut points = vec![
            ("prepare", times.begun),
            ("clone", times.cloned),
            ("ids", at(marks::BORN)),
            ("files", at(marks::IDS)),
            ("cgroup", at(marks::FILES)),
            ("privileges", at(marks::CGROUP)),
            ("filter", at(marks::PRIVILEGES)),
            ("program", times.started),
            ("teardown", end),
            ("", times.reaped),
        ];
        if self.launch.engine.is_some() {
            let at = [times.begun, times.cloned, times.walled, times.started, end, times.reaped];
            let names = ["prepare", "container", "wall", "program", "teardown", ""];
            points = names.into_iter().zip(at).collect();
        }
        if times.entered > 0 {
            let at = [times.begun, times.entered, times.started, end, times.reaped];
            points = ["prepare", "cell", "program", "teardown", ""].into_iter().zip(at).collect();
        }
        if self.launch.foreign.is_some() {
            points.insert(7, ("wall", times.walled));
        }
        Phases(points.windows(2).map(|pair| (pair[0].0, milliseconds(pair[0].1, pair[1].1))).collect())
    }
}

/// Nothing, if one of the points was never reached.
fn milliseconds(from: u64, to: u64) -> f64 {
    if from == 0 {
        return 0.0;
    }
    to.saturating_sub(from) as f64 / 1e6
}

fn limit_violation(limit: LimitKind, evidence: &Evidence) -> Violation {
    Violation {
        kind: ViolationKind::Limit,
        what: limit.to_string(),
        limit: Some(evidence.limit.clone()),
        measured: Some(evidence.measured.clone()),
        evidence: evidence.from.clone(),
    }
}

/// The planned layers, with what turned out weaker.
fn layers(planned: &[Layer], weakened: &[Weakening]) -> Vec<Layer> {
    let limits =
        weakened.iter().any(|weak| matches!(weak.what.as_str(), "memory" | "threads" | "cpu-time" | "cpu-limit"));
    let mut layers = planned.to_vec();
    for layer in &mut layers {
        if layer.layer == LayerName::ResourceLimits && limits {
            layer.status = LayerStatus::Weakened;
        }
    }
    layers
}
