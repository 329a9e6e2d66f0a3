//! All cases together: what `--json` prints, and the verdict on the whole.

use std::collections::BTreeMap;

use palisade::spec::{Clamp, Weakening};
use serde::Serialize;

use super::{
    compare::Compare,
    verdict::{Tested, Used, Verdict, rounded},
};

/// Name and version of the form.
pub(crate) const SCHEMA: &str = "palisade.test/1";

/// The whole of a test.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    /// [`SCHEMA`].
    pub(crate) schema: &'static str,
    /// Everything was accepted.
    pub(crate) success: bool,
    pub(crate) exit_code: i32,
    /// The program that had all the cases; `None` if each file is a program.
    pub(crate) program: Option<String>,
    /// How its output was compared.
    pub(crate) compare: Option<Compare>,
    /// Sandboxes at one time.
    pub(crate) jobs: usize,
    /// Elapsed time of everything.
    #[serde(serialize_with = "rounded")]
    pub(crate) wall_time_ms: f64,
    /// What the compiler used, if the one program was compiled.
    pub(crate) compile: Option<Used>,
    /// How many cases have each verdict.
    pub(crate) counts: BTreeMap<&'static str, usize>,
    /// Name of the case that took the most elapsed time.
    pub(crate) slowest: Option<String>,
    /// Name of the case that used the most memory.
    pub(crate) largest: Option<String>,
    /// What this host could only give in a weaker form, over all cases.
    pub(crate) weakened: Vec<Weakening>,
    /// What was asked for and lowered, over all cases.
    pub(crate) clamped: Vec<Clamp>,
    /// In natural order, or as the files were named.
    pub(crate) cases: Vec<Tested>,
}

impl Results {
    /// Sums up.
    pub(crate) fn of(cases: Vec<Tested>) -> Self {
        let mut counts: BTreeMap<_, _> = Verdict::ALL.iter().map(|verdict| (verdict.name(), 0)).collect();
        for case in &cases {
            *counts.entry(case.verdict.name()).or_default() += 1;
        }
        let exit_code = exit_code(cases.iter().map(|case| case.verdict));
        let most = |of: fn(&Used) -> f64| {
            let used = cases.iter().filter_map(|case| Some((case, of(case.used.as_ref()?))));
            used.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(case, _)| case.name.clone())
        };
        Self {
            schema: SCHEMA,
            success: exit_code == 0,
            exit_code,
            program: None,
            compare: None,
            jobs: 1,
            wall_time_ms: 0.0,
            compile: None,
            slowest: most(|used| used.wall_time_ms),
            largest: most(|used| used.memory_bytes as f64),
            weakened: Vec::new(),
            clamped: Vec::new(),
            counts,
            cases,
        }
    }

    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        self.counts.get(verdict.name()).copied().unwrap_or(0)
    }

    pub(crate) fn case(&self, name: Option<&String>) -> Option<(&Tested, &Used)> {
        let case = self.cases.iter().find(|case| Some(&case.name) == name)?;
        Some((case, case.used.as_ref()?))
    }
}

/// 130 if the caller wanted the end, 125 if palisade failed, 1 if a program did, else 0.
fn exit_code(verdicts: impl Iterator<Item = Verdict> + Clone) -> i32 {
    let has = |wanted| verdicts.clone().any(|verdict| verdict == wanted);
    if has(Verdict::Cancelled) {
        130
    } else if has(Verdict::InternalError) {
        125
    } else {
        i32::from(verdicts.clone().any(|verdict| verdict != Verdict::Accepted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_tells_cancellation_from_palisade_s_failures_from_the_programs() {
        use Verdict as V;
        let code = |verdicts: &[Verdict]| exit_code(verdicts.iter().copied());
        assert_eq!(code(&[V::Accepted, V::Accepted]), 0);
        for verdict in Verdict::ALL.into_iter().skip(1) {
            let wanted = match verdict {
                V::Cancelled => 130,
                V::InternalError => 125,
                _ => 1,
            };
            assert_eq!(code(&[V::Accepted, verdict, V::NotRun]), wanted, "{verdict:?}");
        }
        assert_eq!(code(&[V::WrongAnswer, V::InternalError]), 125);
        assert_eq!(code(&[V::InternalError, V::Cancelled]), 130);
    }

    #[test]
    fn names_of_verdicts_are_those_of_the_json_form() {
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
        }
    }
}
