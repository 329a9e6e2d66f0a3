//! Compilers, interpreters, and the verdict: a complete run of /bin/true.
//!
//! Not here: single kernel features (`kernel`), the walls of other programs (`walls`).

use palisade_spec::{Backend, Program, Report, Request, Weakening};

use super::{Finding, Group, Native, Soundness, Status};
use crate::{
    error::StartError,
    language::{Language, LanguageError, SearchPath},
    native,
    run::{plan, run},
};

/// Every language: where its tools are, or which package holds them.
pub(super) fn languages() -> Vec<Finding> {
    let search = SearchPath::of_this_process();
    match Language::all(crate::resolve::own_languages().as_deref()) {
        Ok(languages) => languages.iter().map(|language| toolchain(language, &search)).collect(),
        Err(error) => vec![Finding {
            group: Group::Languages,
            feature: "definitions of languages".to_owned(),
            status: Status::NotUsable,
            evidence: match std::error::Error::source(&error) {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            },
            fix: match &error {
                LanguageError::Unreadable { .. } => {
                    Some("export HOME=… (this user's own), or XDG_CONFIG_HOME".to_owned())
                }
                other => other.hint(),
            },
            needed_by: "source files".to_owned(),
        }],
    }
}

fn toolchain(language: &Language, search: &SearchPath) -> Finding {
    let extensions: Vec<String> = language.extensions().iter().map(|extension| format!(".{extension}")).collect();
    let (status, evidence, fix) = match language.locate(search) {
        Ok(tools) => {
            let found: Vec<_> = tools.programs().map(|path| path.display().to_string()).collect();
            (Status::Usable, found.join(", "), None)
        }
        Err(error) => (Status::NotUsable, error.to_string(), fix(&error)),
    };
    Finding {
        group: Group::Languages,
        feature: language.title().to_owned(),
        status,
        evidence,
        fix,
        needed_by: format!("{} files", extensions.join(", ")),
    }
}

/// A command where there is one.
fn fix(error: &LanguageError) -> Option<String> {
    match error {
        LanguageError::MissingTool { package, .. } => {
            let sudo = if rustix::process::geteuid().is_root() { "" } else { "sudo " };
            Some(format!("{sudo}apt-get install {package}"))
        }
        other => other.hint(),
    }
}

pub(super) fn nothing(backend: Backend) -> Request {
    Request { backend, ..Request::new(Program::Command("/bin/true".to_owned())) }
}

/// Whether the caller's own hard limits are below what a run has by default.
pub(super) fn resource_limits() -> Finding {
    let mut finding = Finding {
        group: Group::Kernel,
        feature: "resource limits".to_owned(),
        status: Status::Usable,
        evidence: "no hard limit of this process is below the defaults of a run".to_owned(),
        fix: None,
        needed_by: "limits of each process".to_owned(),
    };
    let mut clamped: Vec<_> = match plan(&nothing(Backend::Native)) {
        Ok(plan) => plan.launches.into_iter().flat_map(|launch| launch.clamped).collect(),
        Err(error) => {
            finding.status = Status::NotUsable;
            finding.evidence = format!("no run can be planned: {error}");
            finding.fix = error.hint();
            Vec::new()
        }
    };
    clamped.retain(|clamp| clamp.because == native::HARD);
    if !clamped.is_empty() {
        let list: Vec<_> = clamped.iter().map(|c| format!("{} {} (default {})", c.what, c.given, c.asked)).collect();
        finding.status = Status::Partial;
        finding.evidence = format!("hard limits of this process are lower: {}", list.join(", "));
        finding.fix = Some(
            "raise them where they were set: `ulimit -H`, /etc/security/limits.conf, Limit…= of a unit".to_owned(),
        );
    }
    finding
}

/// The verdict: a complete run, which `cause` overrules. A feature that was seen not to hold does not hold in a run
/// either, whether or not the run notices.
pub(super) fn native(cause: Option<&Finding>) -> Native {
    overruled(judge(run(nothing(Backend::Native))), cause)
}

fn overruled(native: Native, cause: Option<&Finding>) -> Native {
    let Some(cause) = cause else { return native };
    // It was tried apart, so it says more than the run itself.
    let mut evidence = if cause.evidence.starts_with(&cause.feature) {
        cause.evidence.clone()
    } else {
        format!("{}: {}", cause.feature, cause.evidence)
    };
    if native.status != Soundness::NotUsable {
        evidence.push_str(", although a run starts");
    }
    Native { status: Soundness::NotUsable, evidence, fix: cause.fix.clone().or(native.fix), ..native }
}

pub(super) fn judge(result: Result<Report, StartError>) -> Native {
    match result {
        Ok(report) if report.success => Native {
            status: if report.weakened.is_empty() { Soundness::Usable } else { Soundness::Weakened },
            evidence: format!("/bin/true ran and exited with 0 after {:.1} ms{}", started(&report), weakly(&report)),
            fix: remedies(&report.weakened),
            weakened: report.weakened,
        },
        Ok(report) => Native {
            status: Soundness::NotUsable,
            evidence: format!("/bin/true should have exited with 0, and: {:?}", report.outcome),
            weakened: report.weakened,
            fix: None,
        },
        Err(error) => Native {
            status: Soundness::NotUsable,
            evidence: match &error {
                StartError::NoBackend { refusals } => {
                    refusals.iter().map(|refusal| refusal.because.clone()).collect::<Vec<_>>().join("; ")
                }
                other => other.to_string(),
            },
            weakened: Vec::new(),
            fix: match &error {
                StartError::NoBackend { refusals } => refusals.first().map(|refusal| refusal.hint.clone()),
                other => other.hint(),
            },
        },
    }
}

/// What a run had only in a weaker form, and why.
fn weakly(report: &Report) -> String {
    match report.weakened.as_slice() {
        [] => String::new(),
        weakened => format!(", weakened: {}", Weakening::by_reason(weakened)),
    }
}

const ABOVE: &str = "see the features above, each with its own";

/// Every remedy once.
fn remedies(weakened: &[Weakening]) -> Option<String> {
    let mut all: Vec<&str> = Vec::new();
    for weak in weakened {
        // What only says to look here is said by those features themselves.
        let hint = if weak.hint.contains("`palisade doctor`") { ABOVE } else { weak.hint.as_str() };
        if !hint.is_empty() && !all.contains(&hint) {
            all.push(hint);
        }
    }
    (!all.is_empty()).then(|| all.join("; and: "))
}

fn started(report: &Report) -> f64 {
    report.phases_ms.0.iter().map(|(_, milliseconds)| milliseconds).sum::<f64>() + report.execution_time_ms
}

/// palisade's own wall.
pub(super) fn own(native: &Native) -> Finding {
    Finding {
        group: Group::Backends,
        feature: "native".to_owned(),
        status: match native.status {
            Soundness::Usable => Status::Usable,
            Soundness::Weakened => Status::Partial,
            Soundness::NotUsable => Status::NotUsable,
        },
        evidence: native.evidence.clone(),
        fix: native.fix.clone(),
        needed_by: "--backend=auto and --backend=native".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Refusal;

    #[test]
    fn a_run_that_cannot_start_is_a_verdict_with_its_reason_and_remedy() {
        let refusal = Refusal {
            backend: "native",
            needs: "the namespaces user, mount".to_owned(),
            because: "the limit of namespaces is reached".to_owned(),
            hint: "raise it".to_owned(),
        };
        let native = judge(Err(StartError::NoBackend { refusals: vec![refusal] }));
        let cause = Finding {
            group: Group::Kernel,
            feature: "user namespace".to_owned(),
            status: Status::NotUsable,
            evidence: "user.max_user_namespaces is 0".to_owned(),
            fix: Some("sysctl".to_owned()),
            needed_by: String::new(),
        };
        let explained = overruled(native.clone(), Some(&cause));
        assert_eq!(explained.evidence, "user namespace: user.max_user_namespaces is 0");
        assert_eq!(explained.fix.as_deref(), Some("sysctl"));
        let blind = overruled(Native { status: Soundness::Usable, ..native.clone() }, Some(&cause));
        assert_eq!(blind.status, Soundness::NotUsable, "a run does not notice everything");
        assert!(blind.evidence.ends_with("although a run starts"), "{}", blind.evidence);
        assert_eq!(native.status, Soundness::NotUsable);
        assert_eq!(native.evidence, "the limit of namespaces is reached");
        assert_eq!(native.fix.as_deref(), Some("raise it"));
    }

    #[test]
    fn a_missing_tool_is_fixed_by_installing_its_package() {
        let go = Language::named("go", None).unwrap();
        let found = toolchain(&go, &SearchPath::default());
        assert_eq!(found.status, Status::NotUsable);
        assert!(found.evidence.contains("Go needs go, not found"), "{}", found.evidence);
        assert!(found.fix.unwrap().ends_with("apt-get install golang-go"));
    }
}
