//! Carrying out a scene: outside, through plain `std::process`, and inside, through the library.

use std::{
    fs::File,
    io::pipe,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use palisade::StartError;
use palisade_spec::{Backend, Input, NetworkPolicy, Outcome, Output, Refusal, Report, Request};

use super::{
    converse::{Heard, Silence, converse},
    ground::{Ground, failed},
    host::sweep,
    request::{request, words},
    scene::{Collector, Scene, Told, Word},
};

/// The longest that an attack may take outside, where nobody else ends it.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest that a whole run inside may take, its set-up included.
const WHOLE: Duration = Duration::from_secs(120);
/// How long the naive collector of a program's files is waited for.
const COLLECTING: Duration = Duration::from_millis(300);

/// Where an attack is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Unconfined, as this user.
    Outside,
    /// By palisade, with this wall, and this network: none, which is the default, or all of it.
    Inside(Backend, NetworkPolicy),
}

/// Why nothing can be told.
#[derive(Debug)]
pub(crate) enum Untold {
    /// No wall of this name holds the policy, for these reasons.
    Refused(String),
    /// It could not be tried.
    Failed(String),
    /// The caller wants to stop.
    Cancelled,
}

/// Carries out a scene. The effect that was seen at the height comes beside what the attacker told.
pub(crate) fn execute(
    scene: &mut Scene,
    ground: &Ground,
    token: &str,
    place: &Place,
    cancel: Option<BorrowedFd<'_>>,
) -> Result<(Told, Option<String>), Untold> {
    match place {
        Place::Outside => outside(scene, ground, token, cancel),
        Place::Inside(backend, network) => {
            let mut request = request(scene, ground, token, *backend)?;
            request.policy.network.clone_from(network);
            inside(scene, request, token, cancel)
        }
    }
}

fn told(heard: Heard, token: &str, ended: impl FnOnce() -> Word, collector: Collector) -> (Told, Option<String>) {
    let word = heard.word().unwrap_or_else(ended);
    let Heard { output, bytes, took, effect, .. } = heard;
    let token = token.to_owned();
    (Told { token, word, output, bytes, took, collector }, effect)
}

fn outside(
    scene: &mut Scene,
    ground: &Ground,
    token: &str,
    cancel: Option<BorrowedFd<'_>>,
) -> Result<(Told, Option<String>), Untold> {
    let failed = |doing| move |error| Untold::Failed(failed(doing, &error));
    let program = scene.program.clone().unwrap_or_else(|| ground.attacker().to_owned());
    let ((their_input, input), (output, their_output)) =
        pipe().and_then(|first| Ok((first, pipe()?))).map_err(failed("make pipes"))?;
    let mut command = Command::new(&program);
    if let Some(time) = scene.supervised {
        command.args(["--leash", "supervise", &time.as_millis().to_string()]).arg(&program);
    }
    command.args(words(scene, token, &["--leash"]));
    command.stdin(their_input).stdout(their_output).stderr(Stdio::null()).process_group(0);
    let work = scene.collect.is_some().then(|| ground.fresh("work")).transpose().map_err(Untold::Failed)?;
    if let Some(work) = &work {
        command.current_dir(work);
    }
    let mut child = command.spawn().map_err(failed("start the attacker"))?;
    drop(command); // and with it our copies of its ends of the pipes
    let heard = converse(output, input, scene, token, cancel, PATIENCE);
    if heard.why != Silence::End {
        // It fails only for one that has been waited for.
        let _ = child.kill();
        sweep(token);
    }
    let status = child.wait().map_err(failed("wait for the attacker"))?;
    if heard.why == Silence::Cancelled {
        return Err(Untold::Cancelled);
    }
    let collector = match (&scene.collect, work) {
        (Some(collect), Some(work)) => naively(&work.join(collect.name), &collect.directory),
        _ => Collector::Ended,
    };
    let late = heard.why == Silence::Late;
    let ended = move || match late {
        true => Word::Nothing(format!("it has not ended after {} s", PATIENCE.as_secs())),
        false => Word::Nothing(format!("it ended with {status} and said nothing")),
    };
    Ok(told(heard, token, ended, collector))
}

/// Takes a file as somebody would who expects nothing: by its name, whatever it is.
fn naively(file: &Path, directory: &Path) -> Collector {
    let Ok(mut child) = Command::new("cp").arg("--").arg(file).arg(directory).stderr(Stdio::null()).spawn() else {
        return Collector::Ended;
    };
    let end = Instant::now() + COLLECTING;
    while Instant::now() < end {
        if !matches!(child.try_wait(), Ok(None)) {
            return Collector::Ended;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    let _ = child.wait();
    Collector::Hangs
}

fn inside(
    scene: &mut Scene,
    mut request: Request,
    token: &str,
    cancel: Option<BorrowedFd<'_>>,
) -> Result<(Told, Option<String>), Untold> {
    let failed = |doing| move |error| Untold::Failed(failed(doing, &error));
    let ((their_input, input), (output, their_output)) =
        pipe().and_then(|first| Ok((first, pipe()?))).map_err(failed("make pipes"))?;
    let null = File::options().write(true).open("/dev/null").map_err(failed("open /dev/null"))?;
    request.stdin = Input::File(file(their_input));
    request.output = Output::To { stdout: file(their_output), stderr: Arc::new(null) };
    let (heard, ran) = if scene.output_is_kept {
        drop((input, output));
        request.stdin = Input::Empty;
        request.output = Output::Keep;
        let ran = palisade::run_until(request, cancel);
        (Heard::of(ran.as_ref().map_or(&[], |report| &report.stdout.kept)), Ok(ran))
    } else {
        std::thread::scope(|scope| {
            let run = scope.spawn(|| palisade::run_until(request, cancel));
            let heard = converse(output, input, scene, token, cancel, WHOLE);
            (heard, run.join())
        })
    };
    let report = match ran {
        Ok(Ok(report)) => report,
        Ok(Err(StartError::NoBackend { refusals })) => {
            let fix = |hint: &str| if hint.is_empty() { String::new() } else { format!(" (fix: {hint})") };
            let reason = |one: &Refusal| format!("{}: {}{}", one.needs, one.because, fix(&one.hint));
            let reasons: Vec<String> = refusals.iter().map(reason).collect();
            return Err(Untold::Refused(reasons.join("; ")));
        }
        Ok(Err(error)) => return Err(Untold::Failed(format!("palisade could not start it: {error}"))),
        Err(_) => return Err(Untold::Failed("the run's thread panicked".to_owned())),
    };
    if heard.why == Silence::Cancelled || report.outcome == Outcome::Cancelled {
        return Err(Untold::Cancelled);
    }
    Ok(told(heard, token, || ending(&report), Collector::Ended))
}

fn file(end: impl Into<OwnedFd>) -> Arc<File> {
    Arc::new(File::from(end.into()))
}

/// How a run ended whose program has not said anything.
fn ending(report: &Report) -> Word {
    let stopped = match &report.outcome {
        Outcome::LimitHit { limit } => format!("stopped at its {limit} limit"),
        Outcome::Signalled { signal } => format!("killed by {signal}"),
        Outcome::Violation { what } => format!("killed: {what}"),
        _ if report.stdout.cut => format!("its output was cut, of {} bytes", report.stdout.total),
        Outcome::Exited { code } => return Word::Nothing(format!("it exited with {code} and said nothing")),
        _ => return Word::Nothing("it said nothing".to_owned()),
    };
    Word::Ended(stopped)
}
