//! Programs for a word of a policy, by its language.
//!
//! In: a word as a policy has it. Out: programs that use it, that use it by another name, and that are innocent. Not here: what is
//! said of them (`policies.rs`).

#![allow(unreachable_pub, reason = "each test uses its part")]

#[path = "own.rs"]
mod own;

use own::OWN;
use palisade_check::Language;

/// Where a word stands in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Import,
    Call,
    Syntax,
}

/// A word of a policy.
#[derive(Debug)]
pub struct Word {
    pub policy: &'static str,
    pub language: Language,
    pub kind: Kind,
    pub text: String,
    pub except: Vec<String>,
}

/// Its programs; instead of those with other names, perhaps a reason why there are none.
#[derive(Debug)]
pub struct Rows {
    pub uses: Vec<String>,
    pub aliases: Result<Vec<String>, &'static str>,
    pub innocents: Vec<String>,
}

/// Language and text of the words that have programs of their own.
pub fn own() -> impl Iterator<Item = (&'static str, &'static str)> {
    OWN.iter().map(|row| (row.0, row.1))
}

/// The programs of a word; `None` if no frame fits.
pub fn of(word: &Word) -> Option<Rows> {
    if let Some(row) = OWN.iter().find(|row| row.0 == word.language.name() && row.1 == word.text) {
        let plain = |text: &str| vec![text.to_owned()];
        return Some(Rows { uses: plain(row.2), aliases: row.3.map(plain), innocents: plain(row.4) });
    }
    let is_start = word.text.ends_with(['*']) && !word.text.ends_with(".*");
    let frame = Frame { name: word.text.replace('*', "zz"), is_start, except: &word.except };
    let (uses, aliases, mut innocents) = match (word.language, word.kind, word.text.strip_prefix("*.")) {
        (_, Kind::Syntax, _) => return None,
        (Language::Python, Kind::Import, _) => frame.python_import(),
        (Language::Python, _, Some(member)) => python_member(member),
        (Language::Python, _, None) => frame.python_call(),
        (Language::Go, Kind::Import, _) => frame.go_import(),
        (Language::Go, _, Some(member)) => go_member(member),
        (Language::Go, _, None) => frame.go_call()?,
        (Language::Rust, Kind::Import, _) => frame.rust_import(),
        (Language::Rust, _, _) => frame.rust_call(),
        (Language::Java, Kind::Import, _) => frame.java_import()?,
        (Language::Java, _, Some(member)) => java_member(member),
        (Language::Java, _, None) => frame.java_call()?,
        (Language::C | Language::Cpp, Kind::Import, _) => frame.c_import(),
        (Language::C, _, _) => frame.c_call(),
        (Language::Cpp, _, _) => frame.cpp_call(),
        (_, Kind::Import, _) => frame.javascript_import(),
        (_, _, Some(member)) => javascript_member(member),
        (_, _, None) => frame.javascript_call(),
    };
    innocents.retain(|program| !program.is_empty());
    Some(Rows { uses, aliases: Ok(aliases), innocents })
}

type Programs = (Vec<String>, Vec<String>, Vec<String>);

/// One name that a word stands for, and what holds for the word.
struct Frame<'a> {
    name: String,
    /// Every name that begins so is meant.
    is_start: bool,
    except: &'a [String],
}

/// The name as a sum of two strings.
fn sum(name: &str) -> String {
    let (first, rest) = name.split_at(name.len() / 2);
    format!("'{first}' + '{rest}'")
}

impl Frame<'_> {
    fn last<'a>(&'a self, between: &str) -> (&'a str, &'a str) {
        self.name.rsplit_once(between).unwrap_or(("", &self.name))
    }

    /// A program with a longer name, unless that is meant too.
    fn longer(&self, program: String) -> String {
        if self.is_start { String::new() } else { program }
    }

    fn python_import(&self) -> Programs {
        let name = &self.name;
        let (above, last) = self.last(".");
        let whole = name.trim_end_matches(".zz");
        let mut innocents = vec![
            format!("# import {name}\ns = 'import {name}'\n'''\nimport {name}\n'''\n"),
            format!("import {whole}ish\nfrom {whole}ish import x\n"),
            format!("from . import {last}\nfrom .{last} import x\n"),
            format!("{last} = 1\nprint({last}.real, {last})\n"),
        ];
        for except in self.except.iter().filter(|except| except.starts_with(name.as_str())) {
            let (module, part) = except.rsplit_once('.').unwrap();
            innocents.push(format!("from {module} import {part}\n"));
        }
        let mut aliases = vec![
            format!("import {name} as x\n"),
            format!("from {name} import zz as x\n"),
            format!("x = __import__({})\n", sum(name)),
            format!("import importlib as i\nload = i.import_module\nload({})\n", sum(name)),
        ];
        if !above.is_empty() {
            aliases.push(format!("from {above} import {last} as x\n"));
        }
        (vec![format!("import {name}\n"), format!("from {name} import zz\n")], aliases, innocents)
    }

    fn python_call(&self) -> Programs {
        let name = &self.name;
        let (module, last) = self.last(".");
        if module.is_empty() {
            let innocents = vec![
                format!("# {name}(1)\ns = '{name}(1)'\n"),
                format!("def {name}(x):\n    return x\n{name}(1)\n"),
                format!("x.{name}(1)\nf({name}=1)\n"),
                format!("{name}ish(1)\n"),
            ];
            let aliases = vec![
                format!("f = {name}\nf(1)\n"),
                format!("import builtins as b\nb.{name}(1)\n"),
                format!("import builtins\ngetattr(builtins, {})(1)\n", sum(name)),
                format!("[f] = [{name}]\n"),
            ];
            return (vec![format!("{name}(1)\n")], aliases, innocents);
        }
        let innocents = vec![
            format!("import {module}\n# {name}(1)\ns = '{name}(1)'\n"),
            self.longer(format!("import {module}\n{name}ish(1)\n")),
            format!("class Own:\n    {last} = 1\nOwn.{last}\n"),
            format!("def {last}(x):\n    return x\n{last}(1)\n"),
        ];
        let aliases = vec![
            format!("import {module} as o\nf = o.{last}\nf(1)\n"),
            format!("from {module} import {last} as f\nf(1)\n"),
            format!("from {module} import *\n{last}(1)\n"),
            format!("import {module} as o\ngetattr(o, {})(1)\n", sum(last)),
            format!("o = __import__({})\no.{last}(1)\n", sum(module.split('.').next().unwrap())).replace(
                &format!("o.{last}"),
                &format!("o{}.{last}", &module[module.find('.').unwrap_or(module.len())..]),
            ),
        ];
        (vec![format!("import {module}\n{name}(1)\n")], aliases, innocents)
    }

    fn javascript_import(&self) -> Programs {
        let name = &self.name;
        let uses = vec![
            format!("import x from '{name}';\n"),
            format!("import '{name}';\n"),
            format!("require('{name}');\n"),
            format!("export * from '{name}';\n"),
        ];
        let aliases = vec![
            format!("import * as y from 'node:{name}';\n"),
            format!("const r = require;\nr({});\n", sum(name)),
            format!("import(`${{{}}}`);\n", sum(name)),
            format!("import {{ createRequire as c }} from 'module';\nconst r = c('/');\nr('{name}');\n"),
        ];
        let innocents = vec![
            format!(
                "// require('{name}')\nconst s = \"require('{name}')\", t = `import '{name}'`, r = /{}/;\n",
                name.replace('/', ".")
            ),
            format!("import x from './{name}';\nrequire('../{name}');\n"),
            self.longer(format!("import x from '{name}ish';\nrequire('{name}ish');\n")),
        ];
        (uses, aliases, innocents)
    }

    fn javascript_call(&self) -> Programs {
        let name = &self.name;
        let (object, last) = self.last(".");
        if object.is_empty() {
            let aliases = vec![
                format!("const f = {name};\nf(1);\n"),
                format!("globalThis[{}](1);\n", sum(name)),
                format!("const {{ {name}: f }} = globalThis;\n"),
                format!("(0, {name})(1);\n"),
                format!("{name}?.(1);\n"),
            ];
            let innocents = vec![
                format!("// {name}(1)\nconst s = '{name}(1)', t = `{name}(1)`;\n"),
                format!("x.{name}(1);\nconst o = {{ {name}: 1 }};\n"),
                format!("(function ({name}) {{ {name}(1); }});\n"),
                format!("{name}ish(1);\n"),
            ];
            return (vec![format!("{name}(1);\n"), format!("new {name}(1);\n")], aliases, innocents);
        }
        let root = name.split('.').next().unwrap();
        let aliases = vec![
            format!("const {{ {last}: f }} = {object};\n"),
            format!("const o = {object};\no[{}](1);\n", sum(last)),
            format!("globalThis.{name}(1);\n"),
            format!("{object}?.{last}?.(1);\n"),
        ];
        let innocents = vec![
            format!("// {name}(1)\nconst s = '{name}(1)', t = `{name}(1)`;\n"),
            self.longer(format!("{name}ish(1);\n")),
            format!("own.{name}(1);\n"),
            format!("(function ({root}) {{ {name}(1); }});\n"),
        ];
        (vec![format!("{name}(1);\n")], aliases, innocents)
    }

    fn go_import(&self) -> Programs {
        let name = &self.name;
        let aliases = ["x", ".", "_"].map(|alias| format!("package a\n\nimport {alias} \"{name}\"\n"));
        let innocents = vec![
            format!(
                "package a\n\n// import \"{name}\"\nvar s = \"import \\\"{name}\\\"\"\nvar t = `import \"{name}\"`\n"
            ),
            format!("package a\n\nimport \"example.org/{name}\"\n"),
            self.longer(format!("package a\n\nimport \"{name}ish\"\n")),
        ];
        let uses = vec![
            format!("package a\n\nimport \"{name}\"\n"),
            format!("package a\n\nimport (\n\t\"fmt\"\n\t`{name}`\n)\n"),
        ];
        (uses, aliases.to_vec(), innocents)
    }

    fn go_call(&self) -> Option<Programs> {
        let (module, last) = self.name.rsplit_once('.')?;
        let aliases = vec![
            format!("package a\n\nimport o \"{module}\"\n\nvar g = o.{last}\n"),
            format!("package a\n\nimport . \"{module}\"\n\nfunc f() {{ {last}() }}\n"),
        ];
        let package = module.rsplit('/').next()?;
        let innocents = vec![
            format!("package a\n\nimport p \"{module}\"\n\n// p.{last}()\nvar s = \"p.{last}()\"\nvar _ = p.Zz\n"),
            self.longer(format!("package a\n\nimport p \"{module}\"\n\nfunc f() {{ p.{last}ish() }}\n")),
            format!(
                "package a\n\ntype t struct{{}}\n\nfunc (t) {last}() {{}}\n\nfunc f({package} t) {{ {package}.{last}() }}\n"
            ),
            format!("package a\n\nfunc {last}() {{}}\n\nfunc f() {{ {last}() }}\n"),
        ];
        let uses = vec![format!("package a\n\nimport \"{module}\"\n\nfunc f() {{ {package}.{last}() }}\n")];
        Some((uses, aliases, innocents))
    }

    fn rust_import(&self) -> Programs {
        let name = &self.name;
        let (above, last) = self.last("::");
        let mut aliases = vec![format!("use {name} as x;\nfn f() {{ x::Zz::new(); }}\n"), format!("use {name}::*;\n")];
        if above.is_empty() {
            aliases.push(format!("extern crate {name} as x;\n"));
        } else {
            aliases.push(format!("use {above} as x;\nfn f() {{ x::{last}::Zz::new(); }}\n"));
            aliases.push(format!("use {above}::{{self as y, {last}::{{self as x, Zz}}}};\n"));
        }
        let mut innocents = vec![
            format!("// use {name}::Zz;\nconst S: &str = \"use {name}::Zz;\";\n"),
            format!("use {name}ish::Zz;\n"),
            format!("use crate::{name}::Zz;\nuse self::{last}::Y;\n"),
        ];
        innocents.extend(
            self.except
                .iter()
                .filter(|except| except.starts_with(name.as_str()))
                .map(|except| format!("use {except};\n")),
        );
        let uses = vec![format!("use {name}::Zz;\n"), format!("fn f() {{ {name}::Zz::new(); }}\n")];
        (uses, aliases, innocents)
    }

    fn rust_call(&self) -> Programs {
        let name = &self.name;
        if let Some(attribute) = name.strip_prefix("#[").and_then(|name| name.strip_suffix(']')) {
            let uses =
                vec![format!("#[{attribute}]\nfn f() {{}}\n"), format!("#[{attribute}(x = \"y\")]\nfn f() {{}}\n")];
            let aliases = vec![format!("#[cfg_attr(all(), {attribute})]\nfn f() {{}}\n")];
            let innocents = vec![
                format!("// #[{attribute}]\nconst S: &str = \"#[{attribute}]\";\n"),
                format!("#[{attribute}ish]\nfn f() {{}}\n"),
                format!("#[doc = \"{attribute}\"]\nfn f() {{}}\n"),
            ];
            return (uses, aliases, innocents);
        }
        if let Some(macros) = name.strip_suffix('!') {
            let home = if macros.ends_with("asm") { "core::arch" } else { "std" };
            let uses = vec![format!("fn f() {{ {macros}!(\"zz\", zz) }}\n"), format!("{macros}! {{ \"zz\", zz }}\n")];
            let aliases = vec![
                format!("fn f() {{ {home}::{macros}!(\"zz\", zz) }}\n"),
                format!("use {home}::{macros} as x;\nfn f() {{ x!(\"zz\", zz) }}\n"),
                format!("macro_rules! m {{ () => {{ {macros}!(\"zz\", zz) }} }}\n"),
                format!("fn f() {{ println!(\"{{}}\", {macros}!(\"zz\", zz)) }}\n"),
            ];
            let innocents = vec![
                format!("// {macros}!(\"zz\")\nconst S: &str = \"{macros}!(zz)\";\n"),
                format!("fn f() {{ {macros}ish!(\"zz\") }}\n"),
                format!("fn {macros}() {{}}\nfn f() {{ {macros}(); }}\n"),
            ];
            return (uses, aliases, innocents);
        }
        let (module, last) = self.last("::");
        let aliases = vec![
            format!("use {module} as g;\nfn f() {{ g::{last}(1); }}\n"),
            format!("use {name} as z;\nfn f() {{ z(1); }}\n"),
            format!("use {module}::*;\nfn f() {{ {last}(1); }}\n"),
            format!("fn f() {{ let z = {name}; }}\n"),
        ];
        let own = module.rsplit("::").next().unwrap();
        let innocents = vec![
            format!("// {name}(1)\nconst S: &str = \"{name}(1)\";\n"),
            format!("mod {own} {{ pub fn {last}() {{}} }}\nfn f() {{ {own}::{last}(); }}\n"),
            format!("fn {last}() {{}}\nfn f() {{ {last}(); }}\n"),
            self.longer(format!("fn f() {{ {name}ish(1); }}\n")),
        ];
        (vec![format!("fn f() {{ {name}(1); }}\n")], aliases, innocents)
    }

    fn java_import(&self) -> Option<Programs> {
        let name = self.name.replace("zz", "Zz");
        let (package, last) = name.rsplit_once('.')?;
        let aliases = vec![
            format!("class A {{ {name} x; }}\n"),
            format!("import {package}.*;\nclass A {{ {last} x; }}\n"),
            format!("class A {{ Object x = new {name}(1); }}\n"),
            format!("class A {{ Object x = Class.forName(\"{package}.\" + \"{last}\"); }}\n"),
        ];
        let mut innocents = vec![
            format!("// import {name};\nclass A {{ String s = \"{name}\"; }}\n"),
            format!("import own.{last};\nclass A {{ {last} x; }}\n"),
            format!("class A {{ class {last} {{}} {last} x = new {last}(); }}\n"),
        ];
        if !self.name.ends_with("zz") {
            innocents.push(format!("import {name}ish;\nclass A {{ {name}ish x; }}\n"));
        }
        innocents.extend(self.except.iter().filter(|except| except.starts_with(package)).map(|except| {
            // A method is called, a class is imported.
            match except.rsplit_once('.') {
                Some((class, method)) if method.starts_with(char::is_lowercase) => {
                    format!("class A {{ Object x = {class}.{method}(); }}\n")
                }
                _ => format!("import {except};\nclass A {{}}\n"),
            }
        }));
        Some((vec![format!("import {name};\nclass A {{}}\n")], aliases, innocents))
    }

    fn java_call(&self) -> Option<Programs> {
        let name = &self.name;
        let (class, last) = name.rsplit_once('.')?;
        let innocents = vec![
            format!("class A {{ String s = \"{name}(1)\"; }} // {name}(1)\n"),
            format!("class A {{ void {last}(int a) {{}} void f() {{ {last}(1); }} }}\n"),
            format!("class A {{ void f(B b) {{ b.{last}(1); }} }}\n"),
        ];
        if let Some(class) = class.strip_suffix("()") {
            let (_, short) = class.rsplit_once('.')?;
            let uses = vec![format!("class A {{ void f() {{ {short}.get{short}().{last}(1); }} }}\n")];
            let aliases = vec![
                format!("class A {{ void f() {{ {short} r = {class}.get{short}(); r.{last}(1); }} }}\n"),
                format!("class A {{ void f({short} r) {{ r.{last}(1); }} }}\n"),
                format!("import static {class}.get{short};\nclass A {{ void f() {{ get{short}().{last}(1); }} }}\n"),
            ];
            return Some((uses, aliases, innocents));
        }
        let (_, short) = class.rsplit_once('.')?;
        let uses = vec![format!("class A {{ void f() {{ {short}.{last}(1); }} }}\n")];
        let aliases = vec![
            format!("class A {{ void f() {{ {class}.{last}(1); }} }}\n"),
            format!("import static {class}.{last};\nclass A {{ void f() {{ {last}(1); }} }}\n"),
            format!("import static {class}.*;\nclass A {{ void f() {{ {last}(1); }} }}\n"),
            format!("class A {{ Object o = (B) {short}::{last}; }}\n"),
        ];
        Some((uses, aliases, innocents))
    }

    fn c_import(&self) -> Programs {
        let name = &self.name;
        let aliases = vec![
            format!("#define X <{name}>\n#include X\n"),
            format!("#include \"{name}\"\n"),
            format!("#inc\\\nlude <{name}>\n"),
        ];
        let innocents = vec![
            format!("/* #include <{name}>\n#include <{name}> */\nconst char *s = \"#include <{name}>\";\n"),
            format!("#include \"own/{}\"\n", name.trim_start_matches("../")),
            self.longer(format!("#include <{}ish.h>\n", name.trim_start_matches(['.', '/']))),
        ];
        (vec![format!("#include <{name}>\n")], aliases, innocents)
    }

    fn c_call(&self) -> Programs {
        let name = &self.name;
        let (first, rest) = name.split_at(name.len() / 2);
        let aliases = vec![
            format!("#define X {name}\nint f(void) {{ return X(1); }}\n"),
            format!("#define X(a) {name}(a)\nint f(void) {{ return X(1); }}\n"),
            format!("int (*g)(int) = {name};\n"),
            format!("int f(void) {{ return (*&{name})(1); }}\n"),
            format!("#define J(a, b) a##b\nint f(void) {{ return J({first}, {rest})(1); }}\n"),
        ];
        let innocents = vec![
            format!("/* {name}(1) */\nconst char *s = \"{name}(1)\"; // {name}(1)\n"),
            format!("struct s {{ int {name}; }};\nint f(struct s a, struct s *b) {{ return a.{name} + b->{name}; }}\n"),
            format!("static int {name}(int a) {{ return a; }}\nint f(void) {{ return {name}(1); }}\n"),
            format!("int f(int {name}) {{ return {name} + 1; }}\n"),
            self.longer(format!("int f(void) {{ return {name}ish(1) + own_{name}(2); }}\n")),
        ];
        (vec![format!("int f(void) {{ return {name}(1); }}\n")], aliases, innocents)
    }

    fn cpp_call(&self) -> Programs {
        let path = self.name.replace('.', "::");
        let (above, last) = path.rsplit_once("::").unwrap_or(("std", &path));
        let aliases = vec![
            format!("namespace n = {above};\nauto g = n::{last}(1);\n"),
            format!("using {above}::{last};\nauto g = {last}(1);\n"),
            format!("using namespace {above};\nauto g = {last}(1);\n"),
            format!("#define X {above}::{last}\nauto g = X(1);\n"),
        ];
        let innocents = vec![
            format!(
                "/* {above}::{last}(1) */\nconst char *s = \"{above}::{last}(1)\", *t = R\"({above}::{last}(1))\";\n"
            ),
            format!("namespace own {{ int {last}(int); }}\nauto g = own::{last}(1);\n"),
            self.longer(format!("auto g = {above}::{last}ish(1);\n")),
        ];
        (vec![format!("auto g = {above}::{last}(1);\n")], aliases, innocents)
    }
}

fn python_member(name: &str) -> Programs {
    let aliases = vec![
        format!("getattr(x, {})\n", sum(name)),
        format!("get = getattr\nget(x.y, '{name}')\n"),
        format!("x.y().{name}[0].z\n"),
    ];
    let innocents =
        vec![format!("# x.{name}\ns = 'x.{name}'\n"), format!("x.{name}ish\n"), format!("{name} = 1\nf({name}=2)\n")];
    (vec![format!("x.{name}\n")], aliases, innocents)
}

fn javascript_member(name: &str) -> Programs {
    let (first, rest) = name.split_once('.').map_or((name, String::new()), |(first, rest)| (first, format!(".{rest}")));
    let aliases = vec![
        format!("x[{}]{rest}(1);\n", sum(first)),
        format!("const {{ {first}: y }} = x;\ny{rest}(1);\n"),
        format!("x?.{first}{rest}(1);\n"),
    ];
    let innocents = vec![
        format!("// x.{name}\nconst s = 'x.{name}', t = `x.{name}`;\n"),
        format!("x.{name}ish(1);\n"),
        format!("const {first} = 1;\n"),
    ];
    (vec![format!("x.{name}(1);\n")], aliases, innocents)
}

fn go_member(name: &str) -> Programs {
    let aliases = vec![
        format!("package a\n\nfunc f(x T) {{ g := x.{name}; g() }}\n"),
        format!("package a\n\nvar g = (*T).{name}\n"),
        format!("package a\n\nfunc f(x any) {{ x.(interface{{ M() }}).{name}() }}\n"),
    ];
    let innocents = vec![
        format!("package a\n\n// x.{name}()\nvar s = \"x.{name}()\"\n"),
        format!("package a\n\nfunc {name}() {{}}\n\nfunc f() {{ {name}() }}\n"),
        format!("package a\n\nfunc f(x T) {{ x.{name}ish() }}\n"),
    ];
    (vec![format!("package a\n\nfunc f(x T) {{ x.{name}() }}\n")], aliases, innocents)
}

fn java_member(name: &str) -> Programs {
    let aliases = vec![
        format!("class A {{ Object o = (C) B::{name}; }}\n"),
        format!("class A {{ void f(B b) {{ ((C) b.c()).{name}(1); }} }}\n"),
        format!("class A {{ void f(B b) {{ b.{}(1); }} }}\n", format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..])),
    ];
    let innocents = vec![
        format!("class A {{ String s = \"b.{name}(1)\"; }} // b.{name}(1)\n"),
        format!("class A {{ void {name}(int a) {{}} void f() {{ {name}(1); this.{name}(1); }} }}\n"),
        format!("class A {{ void f(B b) {{ b.{name}ish(1); }} }}\n"),
    ];
    (vec![format!("class A {{ void f(B b) {{ b.{name}(1); }} }}\n")], aliases, innocents)
}
