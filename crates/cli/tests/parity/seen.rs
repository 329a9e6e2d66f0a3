//! What there is to be seen of a run: the same words whatever the wall.

use std::fmt;

use serde_json::Value;

use crate::{
    common::{Place, Report},
    requests::Request,
};

/// One run, seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen(Vec<(&'static str, String)>);

impl Seen {
    /// Runs the request with more options.
    #[track_caller]
    pub(crate) fn of(place: &Place, request: &Request, more: &str, backend: &str) -> Self {
        request.stage(place);
        let mut command = request.command(place, more, backend);
        let output = match request.cancelled_after {
            None => place.output_with(&mut command, &request.input()),
            Some(mark) => cancelled(place, &mut command, mark),
        };
        let mut seen = Self(Vec::new());
        let Ok(json) = serde_json::from_slice::<Value>(&output.stdout) else {
            seen.note("outcome", format!("no report: {}", crate::common::text(&output)));
            return seen;
        };
        if let Some(error) = json["error"].as_str() {
            let status = output.status.code().unwrap_or(-1);
            let first = error.lines().next().unwrap_or_default();
            seen.note("outcome", format!("error {status}: {first}"));
            seen.note("hint", json["hint"].as_str().unwrap_or_default().to_owned());
            return seen;
        }
        let report = Report { json, status: output.status.code().unwrap_or(-1) };
        seen.note("outcome", report.outcome());
        seen.note("status", report.status.to_string());
        for field in ["stdout", "stdout_base64", "stdout_bytes", "stdout_truncated", "stderr", "stderr_bytes"] {
            seen.note(field, report.json[field].to_string());
        }
        let list = |name: &str| report.json[name].as_array().cloned().unwrap_or_default();
        for act in list("violations") {
            seen.note("violation", format!("{} {} {} {}", act["kind"], act["what"], act["limit"], count(&act)));
        }
        for file in list("outputs") {
            seen.note("output", format!("{} {}", file["path"], file["size"]));
        }
        if let Some(changes) = report.json["changes"]["changed"].as_array() {
            changes.iter().for_each(|change| seen.note("change", change.to_string()));
        }
        seen.note("after", request.after(place));
        seen
    }

    fn note(&mut self, what: &'static str, value: String) {
        // A start error's hint speaks of the wall; everything else has to be equal.
        self.0.push((what, value));
    }

    /// Whether the outcome begins so.
    pub(crate) fn is(&self, outcome: &str) -> bool {
        self.0.iter().any(|(what, value)| *what == "outcome" && value.starts_with(outcome))
    }

    /// What differs.
    pub(crate) fn against(&self, other: &Self) -> String {
        let only = |a: &Self, b: &Self| {
            let list: Vec<String> =
                a.0.iter().filter(|one| !b.0.contains(one)).map(|(what, value)| format!("{what}: {value}")).collect();
            list.join("\n      ")
        };
        format!("\n    native\n      {}\n    here\n      {}", only(self, other), only(other, self))
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, value)| write!(f, "\n    {what}: {value}"))
    }
}

/// How often a call was made; what was measured of a limit is never equal.
fn count(act: &Value) -> String {
    if act["kind"] == "system-call" { act["measured"].to_string() } else { String::new() }
}

/// Starts it, waits until it has made the file, and interrupts it.
fn cancelled(place: &Place, command: &mut std::process::Command, mark: &str) -> std::process::Output {
    let child = place.start(command.stdin(std::process::Stdio::null()));
    let mark = place.home().join(mark);
    let begun = palisade_testkit::wait_for(crate::common::PATIENCE, || mark.exists());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = crate::common::finish(child);
    assert!(begun, "it never began: {}", crate::common::text(&output));
    output
}
