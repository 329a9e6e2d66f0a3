//! `palisade run --check`: a source file is looked at first, and not run if a finding is bad enough.
//!
//! In: the request, and what the options and files say of checking. Out: a line for the report's layer *code validation*, or
//! the reason why nothing is run. It is advice: who can change the file between this look and the run can pass it by, and the
//! wall holds in any case. Not here: finding anything.

use std::path::Path;

use palisade::config::Settled;
use palisade_spec::{Checked, Layer, LayerName, LayerStatus, Program, Report, Request, Severity};

use super::{Failed, collect, helper::Helper, policy, show};
use crate::print;

/// What came of looking.
#[derive(Debug)]
pub(crate) enum Looked {
    /// Nobody asked, or there is nothing that can be looked at; with why, if somebody asked.
    Not(Option<&'static str>),
    /// The program may run.
    Passed { checked: Box<Checked>, policy: String },
}

/// Why a program is not run.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// What was found, with how it is shown.
    Found { checked: Box<Checked>, policy: String, shown: String },
    /// Nothing could be found out.
    Failed(Failed),
}

/// Looks at the program of a request, by the policy that is wanted.
pub(crate) fn look(request: &Request, settled: &Settled) -> Result<Looked, Refusal> {
    match (&settled.check, &request.program) {
        (None, _) => Ok(Looked::Not(None)),
        (Some(_), Program::Command(_)) => {
            Ok(Looked::Not(Some("nothing: a command is not looked at, only a source file is")))
        }
        (Some(_), Program::Interpreter { .. }) => {
            Ok(Looked::Not(Some("nothing: the source is not known before it runs")))
        }
        (Some(_), Program::Session { .. }) => {
            Ok(Looked::Not(Some("nothing: inputs of a session are not looked at, only a source file is")))
        }
        (Some(_), Program::Source { file, language, .. }) => look_at(file, language.as_deref(), settled),
    }
}

/// Looks at a source file.
pub(crate) fn look_at(file: &Path, language: Option<&str>, settled: &Settled) -> Result<Looked, Refusal> {
    let Some(policy) = &settled.check else { return Ok(Looked::Not(None)) };
    let language = language.and_then(|name| name.parse().ok());
    let source = collect::read(file, language).map_err(Refusal::Failed)?;
    let policy = policy::find(policy).map_err(Refusal::Failed)?;
    let checked = Helper::start(&policy).and_then(|mut helper| helper.check(&source)).map_err(Refusal::Failed)?;
    let (checked, name) = (Box::new(checked), policy.name().to_owned());
    if checked.worst().is_some_and(|worst| worst >= settled.check_fail_on) {
        let shown = show::text([(&*checked, &*source.content)].into_iter(), print::Colour::None);
        return Err(Refusal::Found { checked, policy: name, shown });
    }
    Ok(Looked::Passed { checked, policy: name })
}

impl Looked {
    /// The line of the report.
    fn layer(&self) -> Option<Layer> {
        let layer = |status, by: String| Some(Layer { layer: LayerName::CodeValidation, status, by });
        match self {
            Self::Not(None) => None,
            Self::Not(Some(why)) => layer(LayerStatus::Off, (*why).to_owned()),
            Self::Passed { checked, policy } => {
                let count = |severity| checked.findings.iter().filter(|finding| finding.severity == severity).count();
                let (warnings, notes) = (count(Severity::Warning), count(Severity::Note));
                let errors = count(Severity::Error);
                layer(
                    LayerStatus::Enforced,
                    format!("palisade-check by policy {policy}: {errors} errors, {warnings} warnings, {notes} notes"),
                )
            }
        }
    }

    /// Whether it has anything to say.
    pub(crate) fn tells(&self) -> bool {
        self.layer().is_some()
    }

    /// Says in a list of layers what was looked at.
    pub(crate) fn tell(&self, layers: &mut [Layer]) {
        if let Some(line) = self.layer() {
            layers
                .iter_mut()
                .filter(|layer| layer.layer == LayerName::CodeValidation)
                .for_each(|layer| *layer = line.clone());
        }
    }

    /// Says it in a report, of the compiler's run too.
    pub(crate) fn tell_report(&self, report: &mut Report) {
        self.tell(&mut report.layers);
        if let Some(compile) = &mut report.compile {
            self.tell(&mut compile.layers);
        }
    }
}
