//! Ordinary programs: what is on every machine that builds this project, and a few that are kept here.
//!
//! In: a language. Out: programs that their own compilers take. Not here: what is said of them.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use palisade_check::Language;

/// Larger files are left out: policies take no more.
const LARGEST: u64 = 100 * 1024;

/// A program that is what it seems.
pub struct Program {
    pub name: String,
    pub code: Vec<u8>,
}

/// At most `count` programs, spread evenly over all that there are.
pub fn programs(language: Language, count: usize) -> Vec<Program> {
    let mut kept = kept(language);
    if language == Language::Java {
        kept.extend(jdk(count));
    }
    let mut files = Vec::new();
    for place in places(language) {
        walk(&place, language, 0, &mut files);
    }
    files.sort();
    let step = (files.len() / count.max(1)).max(1);
    kept.extend(files.into_iter().step_by(step).take(count).filter_map(|file| {
        let code = fs::read(&file).ok()?;
        Some(Program { name: file.display().to_string(), code })
    }));
    kept
}

/// Programs of this repository, one after another in a file.
pub fn kept(language: Language) -> Vec<Program> {
    let text = match language {
        Language::Java => include_str!("../ordinary/java.txt"),
        Language::TypeScript => include_str!("../ordinary/typescript.txt"),
        _ => return Vec::new(),
    };
    text.split("#### ")
        .skip(1)
        .map(|part| {
            let (name, code) = part.split_once('\n').unwrap_or((part, ""));
            Program { name: name.to_owned(), code: code.as_bytes().to_vec() }
        })
        .collect()
}

/// Classes of Java's own library, spread evenly over all that programs import; none where no source of a JDK is installed.
fn jdk(count: usize) -> Vec<Program> {
    let sources = below("/usr/lib/jvm", "").into_iter().map(|home| home.join("lib/src.zip"));
    let Some(file) = sources.filter_map(|path| fs::File::open(path).ok()).next() else { return Vec::new() };
    let Ok(mut archive) = zip::ZipArchive::new(std::io::BufReader::new(file)) else { return Vec::new() };
    let is_meant =
        |name: &String| name.starts_with("java.base/java/") && name.ends_with(".java") && !name.ends_with("-info.java");
    let names = archive.file_names().filter_map(|name| name.ok().map(|name| name.into_owned()));
    let mut names: Vec<String> = names.filter(is_meant).collect();
    names.sort();
    let step = (names.len() / count.max(1)).max(1);
    let mut programs = Vec::new();
    for name in names.into_iter().step_by(step).take(count) {
        let Ok(mut entry) = archive.by_name(&name) else { continue };
        let mut code = Vec::new();
        if (200..=LARGEST).contains(&entry.size()) && std::io::copy(&mut entry, &mut code).is_ok() {
            programs.push(Program { name, code });
        }
    }
    programs
}

fn places(language: Language) -> Vec<PathBuf> {
    let home = PathBuf::from(env::var_os("HOME").unwrap_or_default());
    let cargo = env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from).join("registry/src");
    let node = ["/usr/lib/node_modules", "/usr/share/nodejs", "/usr/share/node_modules"].map(PathBuf::from).to_vec();
    match language {
        Language::Go => below("/usr/lib", "go").into_iter().chain(below("/usr/share", "go")).collect(),
        Language::Python => below("/usr/lib", "python3"),
        // Every JavaScript module is TypeScript, but for types that do not fit.
        Language::JavaScript | Language::TypeScript | Language::Tsx => node,
        Language::Rust => vec![cargo],
        Language::Java => Vec::new(),
        Language::C => vec![cargo, PathBuf::from("/usr/include/linux"), PathBuf::from("/usr/include/x86_64-linux-gnu")],
        Language::Cpp => vec![PathBuf::from("/usr/include/c++"), cargo],
    }
}

/// Directories whose names begin so.
fn below(directory: &str, start: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(start) && entry.path().is_dir())
        .filter(|entry| !entry.path().is_symlink())
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

fn walk(directory: &Path, language: Language, depth: usize, found: &mut Vec<PathBuf>) {
    if depth > 12 {
        return;
    }
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        let name = entry.file_name().to_string_lossy().into_owned();
        // Programs that are wrong on purpose.
        let is_test = ["testdata", "lib2to3", "test", "tests", "bad", "fixtures"].contains(&&*name);
        if kind.is_dir() && !is_test {
            walk(&path, language, depth + 1, found);
        } else if kind.is_file()
            && fits(&path, language)
            && entry.metadata().is_ok_and(|data| (200..=LARGEST).contains(&data.len()))
        {
            found.push(path);
        }
    }
}

fn fits(path: &Path, language: Language) -> bool {
    let known = Language::of_file(path, b"");
    let within = |part: &str| path.to_string_lossy().contains(part);
    match language {
        Language::TypeScript => known == Some(Language::JavaScript) && !within(".min."),
        // A file that is included in others is no program by itself.
        Language::C => {
            known == Some(Language::C) && (within("registry") == path.extension().is_some_and(|ext| ext == "c"))
        }
        Language::Cpp => {
            known == Some(Language::Cpp)
                || within("/usr/include/c++") && (path.extension().is_none() || known.is_some())
        }
        _ => known == Some(language),
    }
}
