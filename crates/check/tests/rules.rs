//! Every rule of the default policy: a plain use, one under another name, and an innocent look-alike.
//!
//! A row is checked by a policy that holds only what its rule is about, so that no other rule can answer for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests: the helpers too")]

use palisade_check::{Language, Policy, check};
use palisade_spec::FindingCode::{self, BlockedImport, UnsafeCodePattern};

/// Language, code, lines of its table in the policy, a use, one under another name, an innocent program.
type Row = (&'static str, FindingCode, &'static str, &'static str, &'static str, &'static str);

fn found(language: &str, table: &str, code: &str) -> Vec<(FindingCode, String)> {
    let language: Language = language.parse().unwrap();
    let text = format!("extends = 'none'\ndynamic_code = 'note'\n[\"{}\"]\n{table}\n", language.name());
    let policy = Policy::read("row.toml", &text, language).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let checked = check("row", code.as_bytes(), language, &policy);
    checked
        .findings
        .into_iter()
        .filter(|finding| finding.code != FindingCode::SyntaxError)
        .map(|finding| (finding.code, finding.message))
        .collect()
}

const ROWS: &[Row] = &[
    // Python
    (
        "python",
        BlockedImport,
        "blocked_imports = ['subprocess']",
        "import subprocess",
        "import subprocess as s",
        "subprocess = 1; print('import subprocess') # import subprocess",
    ),
    (
        "python",
        BlockedImport,
        "blocked_imports = ['net']",
        "import net",
        "n = __import__('n' + 'et')",
        "import planet; import network; from planet import net_of",
    ),
    (
        "python",
        BlockedImport,
        "blocked_imports = ['os']",
        "import os.path",
        "from os import path as p",
        "import osgeo; from . import os",
    ),
    (
        "python",
        BlockedImport,
        "blocked_imports = ['http.*']",
        "import http.client",
        "from http import client as c",
        "import httpx; import https",
    ),
    (
        "python",
        UnsafeCodePattern,
        "blocked_calls = ['os.system']",
        "import os\nos.system('x')",
        "import os as o\nrun = o.system\nrun('x')",
        "class os:\n    def system(x): pass\nos.system('x')",
    ),
    (
        "python",
        UnsafeCodePattern,
        "blocked_calls = ['os.system']",
        "from os import *\nsystem('x')",
        "from os import system as s\ns('x')",
        "def system(x): pass\nsystem('x')",
    ),
    (
        "python",
        UnsafeCodePattern,
        "blocked_calls = ['os.exec*']",
        "import os\nos.execv('x', [])",
        "import os\ngetattr(os, 'exe' + 'cv')('x')",
        "import os\nos.environ",
    ),
    (
        "python",
        UnsafeCodePattern,
        "blocked_calls = ['eval']",
        "eval('1')",
        "e = eval\ne('1')",
        "import ast\nast.literal_eval('1'); model.eval(); x.eval = 1; f(eval=2)",
    ),
    (
        "python",
        UnsafeCodePattern,
        "blocked_calls = ['exec']",
        "exec('1')",
        "getattr(__builtins__, 'exec')('1')",
        "def exec(x): return x\nexec('1')\ncursor.exec('x')",
    ),
    (
        "python",
        UnsafeCodePattern,
        "blocked_calls = ['__import__']",
        "__import__('x')",
        "i = __import__\ni('x')",
        "'__import__'; x.__import__ = 1",
    ),
    (
        "python",
        UnsafeCodePattern,
        "blocked_calls = ['*.__subclasses__']",
        "object.__subclasses__()",
        "getattr(x, '__sub' + 'classes__')()",
        "x.subclasses(); __subclasses__ = 1",
    ),
    // JavaScript and TypeScript
    (
        "javascript",
        BlockedImport,
        "blocked_imports = ['child_process']",
        "require('child_process')",
        "const r = require; r('child_' + 'process')",
        "require('./child_process'); // require('child_process')",
    ),
    (
        "javascript",
        BlockedImport,
        "blocked_imports = ['fs/*']",
        "import fs from 'node:fs/promises'",
        "import { readFile as r } from 'fs'",
        "import x from 'fsevents'; import y from './fs'",
    ),
    (
        "javascript",
        BlockedImport,
        "blocked_imports = ['net']",
        "import net from 'net'",
        "import(`n${'et'}`)",
        "import planet from 'planet'; import n from 'net2'",
    ),
    (
        "javascript",
        UnsafeCodePattern,
        "blocked_calls = ['eval']",
        "eval('1')",
        "(0, globalThis['ev' + 'al'])('1')",
        "model.eval('1'); const x = { eval: 1 }; function f(eval) { eval('1') }",
    ),
    (
        "javascript",
        UnsafeCodePattern,
        "blocked_calls = ['Function']",
        "new Function('1')",
        "(() => {}).constructor('1')",
        "typeof x === 'function'; class Function {} new Function()",
    ),
    (
        "javascript",
        UnsafeCodePattern,
        "blocked_calls = ['fetch']",
        "fetch('x')",
        "const { fetch: f } = globalThis; f('x')",
        "import { fetch } from './own'; fetch('x'); api.fetch('y')",
    ),
    (
        "javascript",
        UnsafeCodePattern,
        "blocked_calls = ['child_process.exec']",
        "require('child_process').exec('x')",
        "const { exec: e } = require('child_process'); e('x')",
        "/x/.exec('y'); const c = require('child_process'); c.on('x')",
    ),
    (
        "typescript",
        BlockedImport,
        "blocked_imports = ['fs']",
        "import fs = require('fs')",
        "import { readFileSync as r } from 'fs'",
        "import type { Stats } from 'fs'; let fs: string",
    ),
    (
        "typescript",
        UnsafeCodePattern,
        "blocked_calls = ['eval']",
        "eval('1' as string)",
        "(globalThis as any)['eval']('1')",
        "interface A { eval(x: string): void } declare const a: A; a.eval('x')",
    ),
    // Go
    (
        "go",
        BlockedImport,
        "blocked_imports = ['os/exec']",
        "package a\nimport \"os/exec\"",
        "package a\nimport . `os/exec`",
        "package a\n// import \"os/exec\"\nimport \"os\"\nvar x = \"os/exec\"",
    ),
    (
        "go",
        BlockedImport,
        "blocked_imports = ['net']",
        "package a\nimport \"net\"",
        "package a\nimport n \"net\"",
        "package a\nimport \"net/url\"\nimport \"planet\"",
    ),
    (
        "go",
        BlockedImport,
        "blocked_imports = ['net/*']",
        "package a\nimport \"net/http\"",
        "package a\nimport _ \"net\"",
        "package a\nimport \"network/http\"",
    ),
    (
        "go",
        UnsafeCodePattern,
        "blocked_calls = ['os.Remove']",
        "package a\nimport \"os\"\nfunc f() { os.Remove(\"x\") }",
        "package a\nimport o \"os\"\nvar f = o.Remove",
        "package a\ntype T struct{}\nfunc (T) Remove(x string) {}\nfunc f(os T) { os.Remove(\"x\") }",
    ),
    (
        "go",
        UnsafeCodePattern,
        "blocked_calls = ['//go:linkname']",
        "package a\n//go:linkname a b\nfunc a()",
        "package a\n//go:linkname c os.runtime_x\nfunc c()",
        "package a\n// go:linkname a b\n/* //go:linkname */",
    ),
    // Rust
    (
        "rust",
        BlockedImport,
        "blocked_imports = ['std::process']",
        "use std::process::Command;",
        "use std::process as p; fn f() { p::exit(1) }",
        "use crate::process::Command; // std::process\nfn f() -> &'static str { \"std::process\" }",
    ),
    (
        "rust",
        BlockedImport,
        "blocked_imports = ['std::net']",
        "fn f() { std::net::TcpStream::connect(\"x\"); }",
        "use std as s; fn f() { s::net::TcpStream::connect(\"x\"); }",
        "mod net { pub fn connect() {} } fn f() { net::connect(); self::net::connect() }",
    ),
    (
        "rust",
        UnsafeCodePattern,
        "blocked_calls = ['std::fs::write']",
        "fn f() { std::fs::write(\"x\", \"y\"); }",
        "use std::fs::{self as q}; fn f() { let w = q::write; w(\"x\", \"y\"); }",
        "use std::io::Write; fn f(mut w: impl Write) { w.write(b\"x\"); write(1) } fn write(_: i32) {}",
    ),
    (
        "rust",
        UnsafeCodePattern,
        "[[rust.block]]\nsyntax = ['unsafe_block']\ndoes = 'x'",
        "fn f() { unsafe {} }",
        "fn f() { let x = || unsafe { 1 }; }",
        "fn f() { let r#unsafe = \"unsafe {}\"; } // unsafe {}",
    ),
    (
        "rust",
        UnsafeCodePattern,
        "blocked_calls = ['include_str!']",
        "const X: &str = include_str!(\"/etc/x\");",
        "const X: &str = std::include_str!(concat!(\"a\", \"b\"));",
        "const X: &str = include_str!(\"x.txt\"); fn include_str() {}",
    ),
    (
        "rust",
        UnsafeCodePattern,
        "blocked_calls = ['asm!']",
        "fn f() { asm!(\"nop\") }",
        "use core::arch::asm as a; fn f() { a!(\"nop\") }",
        "fn asm() {} fn f() { asm() }",
    ),
    // Java
    (
        "java",
        UnsafeCodePattern,
        "blocked_calls = ['java.lang.Runtime().exec']",
        "class A { Object x = Runtime.getRuntime().exec(\"x\"); }",
        "class A { void f() { var r = Runtime.getRuntime(); r.exec(\"x\"); } }",
        "class A { void exec(String x) {} void f(A runtime) { runtime.exec(\"x\"); exec(\"Runtime\"); } }",
    ),
    (
        "java",
        BlockedImport,
        "blocked_imports = ['java.lang.ProcessBuilder']",
        "class A { Object x = new ProcessBuilder(); }",
        "class A { Object x = new java.lang.ProcessBuilder(); }",
        "class ProcessBuilder {} class A { Object x = new ProcessBuilder(); }",
    ),
    (
        "java",
        BlockedImport,
        "blocked_imports = ['java.net.*']",
        "import java.net.Socket;",
        "class A { Object x = new java.net.Socket(); }",
        "import java.network.Socket; class A { String x = \"java.net.Socket\"; }",
    ),
    (
        "java",
        UnsafeCodePattern,
        "blocked_calls = ['*.setAccessible']",
        "class A { void f(B b) { b.setAccessible(true); } }",
        "class A { Object x = String.class.getField(\"a\")::setAccessible; }",
        "class A { void setAccessible(boolean x) {} }",
    ),
    (
        "java",
        UnsafeCodePattern,
        "blocked_calls = ['java.lang.System.exit']",
        "class A { void f() { System.exit(1); } }",
        "import static java.lang.System.exit; class A { void f() { exit(1); } }",
        "class A { void exit(int x) {} void f() { exit(1); this.exit(2); System.out.println(\"exit\"); } }",
    ),
    (
        "java",
        UnsafeCodePattern,
        "blocked_calls = ['native']",
        "class A { native void f(); }",
        "class A { private static final native int f(int x); }",
        "class A { String native_ = \"native\"; /* native */ }",
    ),
    // C and C++
    (
        "c",
        UnsafeCodePattern,
        "blocked_calls = ['system']",
        "int f() { return system(\"x\"); }",
        "#define RUN sys##tem\nint f() { return RUN(\"x\"); }",
        "struct s { int system; }; static int my_system(int x) { return x; } int f(struct s *a) { return a->system + my_system(1); } // system(\"x\")",
    ),
    (
        "c",
        UnsafeCodePattern,
        "blocked_calls = ['connect']",
        "int f() { return connect(1, 0, 0); }",
        "int (*g)(int, void *, int) = &connect;",
        "static int connect(int a) { return a; } int f() { return connect(1); }",
    ),
    (
        "c",
        BlockedImport,
        "blocked_imports = ['sys/socket.h']",
        "#include <sys/socket.h>",
        "#define H <sys/socket.h>\n#include H",
        "#include \"socket.h\"\n// #include <sys/socket.h>\n",
    ),
    (
        "c",
        BlockedImport,
        "blocked_imports = ['/*', '../*']",
        "#include \"/etc/passwd\"",
        "#include \"../x\"",
        "#include \"a/b.h\"\n#include <stdio.h>",
    ),
    (
        "c",
        UnsafeCodePattern,
        "[[c.block]]\nsyntax = ['gnu_asm_expression']\ndoes = 'x'",
        "int f() { asm(\"nop\"); }",
        "int f() { __asm__ volatile (\"nop\"); }",
        "int assembly; char *s = \"asm\";",
    ),
    (
        "c++",
        UnsafeCodePattern,
        "blocked_calls = ['system']",
        "int f() { return std::system(\"x\"); }",
        "using namespace std; auto g = system;",
        "struct A { int system(int); }; int f(A a) { return a.system(1); } namespace my { int system(int); } int g() { return my::system(1); }",
    ),
    (
        "c++",
        BlockedImport,
        "blocked_imports = ['filesystem']",
        "#include <filesystem>",
        "#define F <filesystem>\n#include F",
        "#include \"filesystem.hpp\"\n",
    ),
    (
        "c++",
        UnsafeCodePattern,
        "blocked_calls = ['ofstream']",
        "std::ofstream f(\"x\");",
        "namespace s = std; s::ofstream f(\"x\");",
        "struct ofstream {}; ofstream f; std::ostream *g;",
    ),
];

#[test]
fn each_rule_finds_a_use_and_its_other_names_and_leaves_the_innocent_alone() {
    let mut wrong = Vec::new();
    for (language, code, table, plain, aliased, innocent) in ROWS {
        for (kind, program) in [("plain", plain), ("aliased", aliased)] {
            let found = found(language, table, program);
            if !found.iter().any(|(seen, _)| seen == code) {
                wrong.push(format!("{language} {table}: {kind}: {found:?}\n{program}"));
            }
        }
        let found = found(language, table, innocent);
        if !found.is_empty() {
            wrong.push(format!("{language} {table}: innocent: {found:?}\n{innocent}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_is_not_on_the_list_is_found_and_what_is_below_it_is_not() {
    let unlisted = |language: &str, code: &str| {
        let language: Language = language.parse().unwrap();
        let policy = Policy::shipped("strict", language).unwrap().unwrap();
        let checked = check("a", code.as_bytes(), language, &policy);
        checked.findings.iter().filter(|finding| finding.code == FindingCode::ImportNotAllowed).count()
    };
    for (language, code, count) in [
        (
            "python",
            "import numpy\nfrom flask import Flask\nimport math, heapq\nfrom collections import abc\nfrom . import a\n",
            2,
        ),
        ("javascript", "import x from 'left-pad'; require('react'); require('util'); import y from './y';", 2),
        ("go", "package a\nimport (\n\"fmt\"\n\"math/rand\"\n\"github.com/a/b\"\n)\n", 1),
        (
            "rust",
            "use rand::Rng; use std::io; mod m { pub fn f() {} } fn main() { m::f(); i32::max(1, 2); Vec::<u8>::new(); }",
            1,
        ),
        ("rust", "fn main() { reqwest::blocking::get(\"x\"); self::f(); core::mem::drop(1); } fn f() {}", 1),
        ("java", "import java.util.*; import org.junit.Test; import java.io.IOException;", 1),
        ("c", "#include <stdio.h>\n#include <gmp.h>\n", 1),
        ("c++", "#include <vector>\n#include <boost/any.hpp>\n#include <stdio.h>\n", 1),
    ] {
        assert_eq!(unlisted(language, code), count, "{language}: {code}");
    }
}

/// Language and program: each looks like an evasion of `hostile/`, and is none.
const INNOCENT: &[(&str, &str)] = &[
    ("python", "import pathlib\nclass Own:\n    os = 1\nprint(Own().os, pathlib.Path('.').name)\n"),
    ("python", "print('{0.name} {1[key]} {{.__base__}}'.format(print, {'key': 1}))\n"),
    ("python", "import operator\nprint(sorted([], key=operator.attrgetter('name.first')))\n"),
    ("javascript", "function wait(done) { setTimeout(done, 1); setTimeout(() => done(), 1); }\nwait(print);\n"),
    ("javascript", "const table = [[1, 2], [3, 4]];\nfunction at(i, j) { return table[i][j] + [1, 2, 3][i]; }\n"),
    ("javascript", "const one = (function () { return this.value; })();\nconst two = (() => one)();\n"),
    (
        "java",
        "class A { void f() { new java.io.PrintWriter(System.out, true); new java.io.PrintStream(System.err); } }\n",
    ),
    (
        "java",
        "class A { long f() { Runtime r = Runtime.getRuntime(); return r.totalMemory() - Runtime.getRuntime().freeMemory(); } }\n",
    ),
    (
        "java",
        "class A { void exec(String s) {} void f(A a) { a.exec(\"x\"); new java.util.Formatter(new StringBuilder()); } }\n",
    ),
    ("go", "package main\n\nimport \"text/template\"\n\nfunc main() { template.New(\"a\").Parse(\"{{.}}\") }\n"),
    ("c", "int f(void) { int (*g)(void) = 0; return g ? (*g)() : (int)0x400000; }\n"),
    (
        "c++",
        "#include <vector>\nnamespace x { using namespace std; int system_of(int a) { return a; } }\nint f() { x::vector<int> v; return x::system_of(1); }\n",
    ),
];

#[test]
fn what_looks_like_an_evasion_and_is_none_is_left_alone() {
    for (language, code) in INNOCENT {
        let language: Language = language.parse().unwrap();
        let policy = Policy::shipped("default", language).unwrap().unwrap();
        let checked = check("innocent", code.as_bytes(), language, &policy);
        let told: Vec<_> = checked.findings.iter().map(|found| (found.code, &found.message)).collect();
        assert!(told.is_empty(), "{code}\n{told:?}");
    }
}
