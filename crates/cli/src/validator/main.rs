//! The process that reads strangers' text: `palisade-check`. `palisade` starts it, and it can do nothing but read its standard
//! input and write its standard output.
//!
//! In: one line of JSON, the [`Order`]; then for each file one line, [`Source`], and that many bytes. Out: for each file one
//! line, [`Answer`]. Not here: files, options, showing anything (`palisade-cli`).
#![forbid(unsafe_code)]

mod confine;

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    process::ExitCode,
};

use palisade_check::{Language, Policy, PolicyError, check};
use palisade_spec::{
    Checked,
    validator::{Answer, LARGEST_SOURCE, Order, Source, UNCONFINED},
};

fn main() -> ExitCode {
    if std::env::args_os().len() > 1 {
        // `--version` and whatever else somebody tries by hand.
        let text = concat!(
            "palisade-check ",
            env!("CARGO_PKG_VERSION"),
            "\nThis is a part of palisade: use `palisade check FILE`.\n"
        );
        return match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    palisade_check::prepare();
    if confine::confine().is_err() {
        return ExitCode::from(UNCONFINED);
    }
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve() -> std::io::Result<()> {
    let mut input = BufReader::new(std::io::stdin().lock());
    let mut output = std::io::stdout().lock();
    let mut line = String::new();
    input.read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line)?;
    let mut policies: HashMap<Language, Result<Policy, PolicyError>> = HashMap::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let source: Source = serde_json::from_str(&line)?;
        let size = source.size.min(LARGEST_SOURCE);
        let mut bytes = Vec::new();
        input.by_ref().take(size).read_to_end(&mut bytes)?;
        let answer = match source.language.parse::<Language>() {
            Err(error) => Answer::Failed { message: error.to_string(), span: None },
            Ok(language) => {
                let policy = policies.entry(language).or_insert_with(|| read(&order, language));
                match policy {
                    Ok(policy) => Answer::Checked(Box::new(checked(&source, &bytes, language, policy))),
                    Err(error) => Answer::Failed { message: error.message.clone(), span: Some(error.span.clone()) },
                }
            }
        };
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
}

fn checked(source: &Source, bytes: &[u8], language: Language, policy: &Policy) -> Checked {
    check(&source.name, bytes, language, policy)
}

fn read(order: &Order, language: Language) -> Result<Policy, PolicyError> {
    match &order.text {
        Some(text) => Policy::read(&order.policy, text, language),
        None => Policy::shipped(&order.policy, language).unwrap_or_else(|| {
            Err(PolicyError { message: format!("`{}` is not a shipped policy", order.policy), span: 0..0 })
        }),
    }
}
