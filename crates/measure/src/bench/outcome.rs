//! What came of a comparison, as data: the form of `palisade bench --json`.

use serde::{Deserialize, Serialize};

use super::{
    method::{BASELINE, PEER, Side},
    probe::Seen,
};
use crate::{
    host::Host,
    race::Rounds,
    stats::{Ratio, Stats, ratio},
};

/// Name and version of the form. Fields are added without a new version.
pub const SCHEMA: &str = "palisade.bench/1";

/// What one launch may take, in milliseconds (R50).
pub const LIMIT_MS: f64 = 1000.0;
/// How many times as long a launch takes on a Raspberry Pi 4 or 5 as here: an estimate, for hosts that are none.
pub const PI_FACTOR: f64 = 5.0;
/// How much memory a launch may take where there is as little as on those: of the smallest with 1 GiB, a sixteenth.
pub const PI_MEMORY: u64 = 64 << 20;

/// All methods, compared.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: String,
    /// Where.
    pub host: Host,
    /// What every method started.
    pub program: String,
    /// How often.
    pub rounds: Rounds,
    /// What was measured, in the order of turns.
    pub methods: Vec<Measured>,
    /// What was not, and why.
    pub not_measured: Vec<NotMeasured>,
}

/// One method.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Whose it is.
    pub side: Side,
    /// What is particular about it here; may be empty.
    pub note: String,
    /// Its command line; empty for the library.
    pub command: Vec<String>,
    /// Milliseconds, from all rounds.
    #[serde(flatten)]
    pub stats: Stats,
    /// What it takes longer than the baseline: median of the rounds' differences, in milliseconds.
    pub overhead_ms: f64,
    /// How many times as long as the baseline.
    pub to_baseline: Option<Ratio>,
    /// How many times as long as `bwrap` with all its namespaces, if that was measured.
    pub to_bwrap: Option<Ratio>,
    /// What its program sees of the host, if it could be asked.
    pub sees: Option<Seen>,
    /// Whether that is nothing.
    pub isolated: Option<bool>,
    /// The most memory that its processes had at one time while a shell ran, the shell included, in bytes.
    pub memory: Option<u64>,
    /// Whether it is something for a Raspberry Pi.
    pub pi_ready: Fitness,
    /// Whether a launch takes less than [`LIMIT_MS`] on average.
    pub pass: bool,
    /// Milliseconds of each round.
    pub samples: Vec<f64>,
}

/// Whether a method is something for a small computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fitness {
    /// It is.
    Yes,
    /// With patience, or with much of its memory.
    Limited,
    /// It is not.
    No,
}

/// A method that was not measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotMeasured {
    /// Its name.
    pub name: String,
    /// Why.
    pub because: String,
    /// What to do about it; may be empty.
    pub hint: String,
    /// What others say about it.
    pub quoted: Option<Quoted>,
}

/// A figure that was not measured here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quoted {
    /// As it is written there.
    pub value: String,
    /// Of what.
    pub of: String,
    /// Where it is written.
    pub source: String,
}

impl Fitness {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Limited => "limited",
            Self::No => "no",
        }
    }

    /// By the mean of a launch in milliseconds and by memory, measured on `host`.
    #[must_use]
    pub fn of(mean: f64, memory: Option<u64>, host: &Host) -> Self {
        let factor = if host.cpu.contains("Raspberry Pi") { 1.0 } else { PI_FACTOR };
        // How many times what it should have.
        let time = mean * factor / LIMIT_MS;
        let memory = memory.map_or(0.0, |memory| memory as f64 / PI_MEMORY as f64);
        match time.max(memory) {
            much if much <= 1.0 => Self::Yes,
            much if much <= 4.0 => Self::Limited,
            _ => Self::No,
        }
    }
}

impl Comparison {
    /// The method of this name.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&Measured> {
        self.methods.iter().find(|method| method.name == name)
    }

    /// Works out everything that compares methods.
    pub(super) fn compare(&mut self) {
        let samples = |name| self.method(name).map(|method: &Measured| method.samples.clone());
        let (baseline, peer) = (samples(BASELINE), samples(PEER));
        for method in &mut self.methods {
            if let Some(baseline) = &baseline {
                let added: Vec<f64> = method.samples.iter().zip(baseline).map(|(own, base)| own - base).collect();
                method.overhead_ms = Stats::of(&added).map_or(0.0, |stats| stats.median);
                method.to_baseline = ratio(&method.samples, baseline);
            }
            method.to_bwrap = peer.as_ref().and_then(|peer| ratio(&method.samples, peer));
            method.isolated = method.sees.as_ref().map(Seen::is_isolated);
            method.pass = method.stats.mean < LIMIT_MS;
            method.pi_ready = Fitness::of(method.stats.mean, method.memory, &self.host);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::bench) fn host() -> Host {
        Host {
            cpu: "AMD EPYC".into(),
            cores: 2,
            memory: 24 << 30,
            kernel: "6.18.44".into(),
            system: "Debian GNU/Linux 12 (bookworm)".into(),
            load: [1.25, 2.0, 3.0],
            uid: 0,
            date: "2026-11-23T06:15:46Z".into(),
        }
    }

    pub(in crate::bench) fn measured(name: &str, side: Side, samples: &[f64]) -> Measured {
        Measured {
            name: name.into(),
            about: "about".into(),
            side,
            note: String::new(),
            command: vec![name.into()],
            stats: Stats::of(samples).unwrap(),
            overhead_ms: 0.0,
            to_baseline: None,
            to_bwrap: None,
            sees: None,
            isolated: None,
            memory: Some(1 << 20),
            pi_ready: Fitness::No,
            pass: false,
            samples: samples.to_vec(),
        }
    }

    pub(in crate::bench) fn comparison(methods: Vec<Measured>) -> Comparison {
        let mut comparison = Comparison {
            schema: SCHEMA.into(),
            host: host(),
            program: "/usr/bin/true".into(),
            rounds: Rounds { warmups: 1, counted: methods[0].samples.len(), idle_ms: 0 },
            methods,
            not_measured: Vec::new(),
        };
        comparison.compare();
        comparison
    }

    #[test]
    fn methods_are_compared_round_by_round() {
        let comparison = comparison(vec![
            measured(BASELINE, Side::Baseline, &[1.0, 10.0]),
            measured(PEER, Side::Other, &[4.0, 40.0]),
            measured("palisade", Side::Own, &[2.0, 20.0]),
            measured("qemu", Side::Other, &[2000.0, 2200.0]),
        ]);
        let own = comparison.method("palisade").unwrap();
        assert_eq!((own.to_baseline.unwrap().median, own.to_bwrap.unwrap().median), (2.0, 0.5));
        assert_eq!((own.overhead_ms, own.pass, own.pi_ready), (5.5, true, Fitness::Yes));
        let machine = comparison.method("qemu").unwrap();
        assert_eq!((machine.pass, machine.pi_ready), (false, Fitness::No));
    }

    #[test]
    fn memory_alone_can_be_too_much_for_a_small_computer() {
        let of = |mean, memory| Fitness::of(mean, Some(memory), &host());
        assert_eq!(
            [of(199.0, PI_MEMORY), of(201.0, 0), of(1.0, PI_MEMORY + 1), of(1.0, 5 * PI_MEMORY)],
            [Fitness::Yes, Fitness::Limited, Fitness::Limited, Fitness::No]
        );
        let pi = Host { cpu: "Raspberry Pi 5 Model B Rev 1.0".into(), ..host() };
        assert_eq!(Fitness::of(900.0, None, &pi), Fitness::Yes);
    }

    #[test]
    fn what_is_written_as_json_can_be_read() {
        let comparison = comparison(vec![measured(BASELINE, Side::Baseline, &[1.0, 2.0])]);
        let text = serde_json::to_string(&comparison).unwrap();
        let read: Comparison = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
