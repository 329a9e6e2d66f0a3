//! TypeScript to JavaScript that Node 20 runs, for one file at a time.
//!
//! In: the source text and its name (`.ts`, `.tsx`, `.mts`, `.cts`). Out: [`JavaScript`], or every [`Problem`] found.
//! Not here: reading and writing files, following imports, choosing `node`'s arguments.
//!
//! **Types are not checked.** They are removed; a program with type errors compiles and runs. What is reported is what
//! stops it from being read or run at all: syntax errors, doubly declared names, and constructs Node 20 has no
//! equivalent for. As with every compiler that sees one file (`isolatedModules`), a type that is re-exported without
//! the word `type` is taken for a value.
//!
//! Compiled, not merely erased: enums and constant enums, namespaces, parameter properties, legacy decorators
//! (`experimentalDecorators`, without `emitDecoratorMetadata`), `import x = require()`, `export =`, `using`, JSX (to
//! calls of `react/jsx-runtime`). Class fields keep the meaning of the ECMAScript standard (`useDefineForClassFields`).
//! A field initialiser therefore runs before parameter properties are assigned, as with `tsc --target es2022`. Refused,
//! because oxc would get it wrong: `export let` and `export var` in a namespace. Also wrong, and not noticed: a member
//! of an earlier block of the same namespace used without the namespace's name.
//! Comments are dropped and lines move: there is no source map.
//!
//! The work is done by oxc, in the calling thread, on a stack of its own. No static initialisers, threads, files or
//! environment variables are involved. Nesting deeper than that stack can hold is refused first: see `depth.rs`.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod compile;
mod depth;
mod helpers;
mod problem;

pub use problem::Problem;

/// A program for Node 20.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JavaScript {
    /// The text to write to a file.
    pub code: String,
    /// What Node must take that file for.
    pub module: Module,
}

/// How Node 20 must load the compiled file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Module {
    /// It has `import`, `export`, `import.meta` or a top-level `await`: name it `.mjs`.
    EsModule,
    /// It has none of these, or uses `export =` or `import x = require()`: name it `.cjs`.
    Script,
}

impl Module {
    /// The file name extension by which Node recognises the kind, without a dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::EsModule => "mjs",
            Self::Script => "cjs",
        }
    }
}

/// Bytes of stack the compiler gets. Pages are only touched when used: an ordinary file needs some 100 KiB.
///
/// `depth::LIMIT` is chosen to stay far below it; unoptimised code needs about ten times as much.
const STACK: usize = if cfg!(debug_assertions) { 128 << 20 } else { 16 << 20 };

/// Compiles one file. `file_name` decides about JSX (`.tsx`) and about modules (`.mts` is always one), and appears in
/// problems; the file itself is not read.
///
/// A byte order mark is ignored, `\r\n` counts as one line end, a `#!` line is kept.
///
/// # Errors
/// At least one [`Problem`], in the order of the source, if the file cannot be compiled.
///
/// # Example
/// ```
/// let javascript = palisade_typescript::to_javascript("const answer: number = 42;", "main.ts").unwrap();
/// assert_eq!(javascript.code, "const answer = 42;\n");
/// assert_eq!(javascript.module, palisade_typescript::Module::Script);
/// ```
pub fn to_javascript(source: &str, file_name: &str) -> Result<JavaScript, Vec<Problem>> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    if let Some(offset) = depth::too_deep_at(source, compile::syntax(file_name)) {
        return Err(vec![Problem::at(source, file_name, offset, depth::MESSAGE.to_owned())]);
    }
    stacker::grow(STACK, || compile::compile(source, file_name))
}
