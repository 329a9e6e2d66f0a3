//! The limits that the supervisor holds, looked at while the program runs.
//!
//! Not here: what a run is told to have hit (`verdict.rs`), the counters (`meter.rs`), limits that the kernel holds alone.

use std::{sync::OnceLock, time::Duration};

use palisade_spec::{LimitKind, OutputExcess};

use super::{Evidence, Run, SAMPLING, Stop, nanos, now, seconds};

impl Run<'_> {
    pub(super) fn check_limits(&mut self) {
        // One that has ended in time has not hit a limit.
        if self.stop.is_some() || self.exit.is_some() {
            return;
        }
        let limits = &self.launch.job.limits;
        let since = now().saturating_sub(self.times.started);
        let elapsed = Duration::from_nanos(since);
        if elapsed >= limits.wall_time {
            let evidence = Evidence {
                limit: seconds(limits.wall_time),
                measured: seconds(elapsed),
                from: "the supervisor's monotonic clock".to_owned(),
            };
            return self.stop(Stop::Limit(LimitKind::WallTime, evidence));
        }
        let due = since >= self.acts.next_sample;
        if let Some(stop) = self.connection.gauge.and_then(|gauge| gauge.serve(&mut self.meter, due)) {
            return self.stop(stop);
        }
        let excess = self.output_excess().or_else(|| self.sample(since)).or_else(|| self.cpu_excess(since));
        if let Some(stop) = excess {
            self.stop(stop);
        }
    }

    /// Reads the counters, if it is time: a program that wakes this up all the time must not make it do nothing else.
    fn sample(&mut self, since: u64) -> Option<Stop> {
        if since < self.acts.next_sample {
            return None;
        }
        self.acts.next_sample = since.saturating_add(nanos(SAMPLING));
        self.meter.look_at_lent();
        self.memory_excess().or_else(|| self.process_excess()).or_else(|| self.thread_excess())
    }

    /// The kernel counts tasks and cannot tell processes from threads, so they are looked at again and again. What can
    /// happen between two looks is bounded by the thread limit, which the kernel holds.
    fn process_excess(&mut self) -> Option<Stop> {
        let limit = self.launch.job.limits.processes;
        if self.meter.tasks().is_some_and(|tasks| tasks <= limit.min(self.meter.processes_peak)) {
            return None;
        }
        let running = self.meter.processes();
        let evidence = || Evidence {
            limit: format!("{limit} processes"),
            measured: format!("{running} running"),
            from: "processes in the sandbox's own /proc".to_owned(),
        };
        (running > limit).then(|| Stop::Limit(LimitKind::Processes, evidence()))
    }

    pub(super) fn memory_excess(&mut self) -> Option<Stop> {
        let limit = self.launch.job.limits.memory;
        let (measured, from) = if self.meter.must_sample_memory() {
            let now = self.meter.memory_above(limit.0)?;
            (now, "sum over /proc/N/smaps_rollup: Pss_Anon, Pss_Shmem, SwapPss".to_owned())
        } else {
            let group = self.meter.group()?;
            // The kernel may also kill for a group above, or for the whole host: that is not our limit.
            if group.oom_kills().unwrap_or(0) == 0 || !group.ran_out_of_memory(limit.0) {
                return None;
            }
            (self.meter.memory_peak(), format!("{} (cgroup {})", group.oom_evidence(), group.version()))
        };
        let measured = palisade_spec::Bytes(measured).to_string();
        Some(Stop::Limit(LimitKind::Memory, Evidence { limit: limit.to_string(), measured, from }))
    }

    /// The kernel refuses a task too many, and counts it. On version 1 it tells nobody (pids_event in
    /// kernel/cgroup/pids.c), so the counter is read.
    pub(super) fn thread_excess(&self) -> Option<Stop> {
        let group = self.meter.group()?;
        if group.tasks_refused()? == 0 {
            return None;
        }
        let limit = self.launch.job.limits.threads;
        if !self.meter.may_have_had(limit) {
            return None; // refused by a group above
        }
        let evidence = Evidence {
            limit: format!("{limit} threads"),
            measured: format!("{limit} running, one more wanted"),
            from: format!("pids.events: max (cgroup {})", group.version()),
        };
        Some(Stop::Limit(LimitKind::Threads, evidence))
    }

    fn cpu_excess(&mut self, since: u64) -> Option<Stop> {
        let limit = self.launch.job.limits.cpu_time;
        if since < self.acts.next_cpu_look {
            return None;
        }
        let used = Duration::from_nanos(self.meter.cpu_nanos());
        if used < limit {
            // At most every processor works for the program from now on.
            let earliest = nanos((limit - used) / processors());
            self.acts.next_cpu_look = since.saturating_add(earliest.max(2_000_000));
            return None;
        }
        let from = match self.meter.group() {
            Some(group) if group.counts_cpu() => format!("the cgroup's own account ({})", group.version()),
            _ => "sum over /proc/N/stat: utime, stime, cutime, cstime".to_owned(),
        };
        let evidence = Evidence { limit: seconds(limit), measured: seconds(used), from };
        Some(Stop::Limit(LimitKind::CpuTime, evidence))
    }

    fn output_excess(&self) -> Option<Stop> {
        if self.connection.excess == OutputExcess::Cut {
            return None;
        }
        let names = ["standard output", "standard error"];
        let (drain, name) = self.streams.output.iter().zip(names).find(|(drain, _)| drain.stream.cut)?;
        let evidence = Evidence {
            limit: self.launch.job.limits.output.to_string(),
            measured: format!("{} bytes read", drain.stream.total),
            from: format!("bytes counted on {name}"),
        };
        Some(Stop::Limit(LimitKind::Output, evidence))
    }

    /// How long nothing has to be looked at if no descriptor calls.
    pub(super) fn next_look(&self) -> Option<Duration> {
        // When the program has ended, no limit is looked at: only its sandbox is waited for.
        if self.stop.is_some() || self.exit.is_some() {
            return None;
        }
        let since = now().saturating_sub(self.times.started);
        let limits = &self.launch.job.limits;
        let next = nanos(limits.wall_time).min(self.acts.next_sample).min(self.acts.next_cpu_look);
        Some(Duration::from_nanos(next.saturating_sub(since)))
    }
}

/// Processors that can work at the same time for a program, which may choose its own affinity. Looked up once.
pub(crate) fn processors() -> u32 {
    static PROCESSORS: OnceLock<u32> = OnceLock::new();
    *PROCESSORS.get_or_init(count_processors)
}

fn count_processors() -> u32 {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let count = |range: &str| -> Option<u32> {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(last.trim().parse::<u32>().ok()?.saturating_sub(first.trim().parse().ok()?) + 1)
    };
    let total: u32 = online.split(',').filter_map(count).sum();
    total.max(rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count())).max(1)
}
