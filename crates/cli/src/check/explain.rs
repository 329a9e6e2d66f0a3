//! `--explain CODE`: what a code means, why it matters, what to do.

use palisade_spec::FindingCode;

use super::{Failed, codes};

pub(super) fn explain(name: &str) -> Result<String, Failed> {
    let wanted = name.to_ascii_uppercase().replace('-', "_");
    match FindingCode::ALL.into_iter().find(|code| code.name() == wanted) {
        Some(code) => Ok(format!("{code}\n\n{}", text(code))),
        None => Err(Failed::new(format!("`{name}` is not a code of the validator"), &format!("there are {}", codes()))),
    }
}

fn text(code: FindingCode) -> &'static str {
    match code {
        FindingCode::BlockedImport => {
            "The program asks for a module that its policy blocks.

Why: the module gives the program something that it has no need for: other programs, the network, files, the inside of
its interpreter. A module's other names count too (`import os as o`, `require(\"f\" + \"s\")`, a fully qualified name).

Instead: the line `help` below the finding names a module or function that does the same work without it. If the program
does need it, say so in a policy of your own, which adds to a shipped one:

    extends = \"default\"
    allow_network_access = true

    palisade check --policy ./mine.toml FILE
"
        }
        FindingCode::ImportNotAllowed => {
            "The policy lists the modules that may be imported, and this is not one of them.

Why: such a list is for programs whose task is known: a puzzle needs collections and arithmetic. What is not listed is not
known to be harmless, so nothing is said of what it does.

Instead: use a listed module, or add this one to allowed_imports of the language's table in your own policy.
"
        }
        FindingCode::UnsafeCodePattern => {
            "The program names a function or a construct that its policy blocks, or a pattern of the policy fits.

Why: it starts other programs, changes files, runs text as code, or leaves what the language checks. It is found where
it is named, called or not: who holds it can call it anywhere. Comments and strings are never found.

Instead: the line `help` below the finding says. Patterns of your own are written in blocked_patterns of a policy.
"
        }
        FindingCode::CodeTooLarge => {
            "There is more code than the policy takes (max_code_size; at most 100 KiB).

Why: nobody reads so much, and what is large is mostly data or made by a program.

Instead: keep data in a file that is given with --file, or split the program.
"
        }
        FindingCode::SyntaxError => {
            "The text is not a program of its language: the parser could not go on at this place.

Why: a compiler or interpreter would refuse it too, after it was started. Types and names are not checked, only grammar.
In C and C++ a macro may make a program of what looks like none; with any line of the preprocessor in the file this is
therefore a note.

Instead: mend the line; the mistake is often just before the place that is shown. If the file is in another language,
name it with --language.
"
        }
        FindingCode::DynamicCode => {
            "What this does is decided when the program runs. Nobody can say it before, and this tool does not guess.

Why: `__import__(name)` imports whatever `name` is. A constant is computed (\"o\" + \"s\" is os), so this one depends on
something that the program reads, or is written so that nobody can see through it.

Instead: write the name out. If there are several, choose among them with if. In a policy, `dynamic_code = \"note\"` makes
this matter less. The sandbox holds in any case.
"
        }
        FindingCode::CodeTooComplex => {
            "The file is nested too deep, or takes too long to read; the rest was not looked at.

Why: reading is bounded in depth, time and memory, because a hostile file would use up whatever there is.

Instead: write large tables and long sums as several statements, or read them from a file.
"
        }
    }
}
