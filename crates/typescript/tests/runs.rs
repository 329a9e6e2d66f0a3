//! What the compiled program does when Node runs it, construct by construct.

use std::process::Command;

use palisade_typescript::{JavaScript, Module, to_javascript};

/// Compiles `source` and, if Node is here, checks what it prints. Loud without Node; `PALISADE_MUST_RUN=node` insists.
#[allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a helper of tests; a skip is said aloud")]
fn prints(name: &str, source: &str, expected: &str) -> JavaScript {
    let javascript = to_javascript(source, name).unwrap_or_else(|problems| panic!("{problems:?}"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(format!("main.{}", javascript.module.extension()));
    std::fs::write(&file, &javascript.code).unwrap();
    match Command::new("node").arg(&file).output() {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}\n{}", javascript.code);
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), expected, "{}", javascript.code);
        }
        Err(error) => {
            let insisted = std::env::var("PALISADE_MUST_RUN").is_ok_and(|all| all.split(',').any(|one| one == "node"));
            assert!(!insisted, "node: {error}");
            eprintln!("SKIPPED: compiled, but not executed: node: {error}");
        }
    }
    javascript
}

#[test]
fn an_enum_maps_names_to_values_and_back() {
    let source = "enum E { A = 1, B, C = B << 2, D = 'x'.length }\nconsole.log(E.B, E[2], E.C, E.D);";
    assert_eq!(prints("a.ts", source, "2 B 8 1").module, Module::Script);
}

#[test]
fn a_constant_enum_can_be_used() {
    prints("a.ts", "const enum E { A = 3, B = A * 2, S = 's' }\nconsole.log(E.A, E.B, E.S);", "3 6 s");
}

#[test]
fn an_exported_constant_enum_is_there_for_importers() {
    let javascript = prints("a.ts", "export const enum E { A = 3 }\nconsole.log(E.A);", "3");
    assert!(javascript.code.contains("export"), "{}", javascript.code);
}

#[test]
fn an_ambient_constant_enum_is_inlined() {
    prints("a.ts", "declare const enum E { A = 3 }\nconsole.log(E.A);", "3");
}

#[test]
fn namespaces_nest_merge_and_export() {
    let source = "namespace A.B { export const x = 1; export function f(): number { return x + 1; } }
namespace A { export const y = A.B.f(); }
console.log(A.B.x, A.y);";
    prints("a.ts", source, "1 2");
}

#[test]
fn a_namespace_merges_with_a_function() {
    prints("a.ts", "function f() { return f.x; }\nnamespace f { export const x: number = 5; }\nconsole.log(f());", "5");
}

#[test]
fn generics_interfaces_overloads_and_assertions_leave_no_trace() {
    let source = "interface Box<T extends object = {}> { value: T }
type Deep<T> = { [K in keyof T]?: T[K] extends object ? Deep<T[K]> : T[K] };
declare const nowhere: string;
abstract class Base<T> { abstract get(): T; declare gone: T; readonly kept?: number = 1; }
class Real<in out T> extends Base<T> implements Box<{ a: number }> {
  value = { a: 1 };
  constructor(private readonly item: T) { super(); }
  override get(): T { return this.item!; }
}
function f(a: string): string;
function f(a: number): number;
function f<const T>(this: void, a: T, ...rest: unknown[]): T { return a; }
function isString(x: unknown): x is string { return typeof x === 'string'; }
const g = <T,>(x: T) => x as unknown as T;
const r = new Real<string>('r');
console.log(r.get(), f(1), g<number>(2), isString('s'), (<any>r).kept, 'gone' in r);";
    prints("a.ts", source, "r 1 2 true 1 false");
}

#[test]
fn satisfies_is_removed() {
    prints("a.ts", "const o = { a: 1 } satisfies Record<string, number>;\nconsole.log(o.a);", "1");
}

#[test]
fn parameter_properties_are_assigned_after_super() {
    let source = "class A { constructor(public a: number, protected readonly b = 2, private c?: string) {} sum() { return this.a + this.b; } }
class B extends A { constructor(public d: number) { super(d); } }
const b = new B(5); console.log(b.sum(), b.d, Object.keys(b).join());";
    prints("a.ts", source, "7 5 a,b,c,d");
}

#[test]
fn legacy_decorators_see_classes_members_and_parameters() {
    let source = "#!/usr/bin/env node
'use strict';
const log: string[] = [];
function cls(t: Function) { log.push('class ' + t.name); }
function member(t: any, k: string, d?: PropertyDescriptor) { log.push('member ' + k + ' ' + typeof d); }
function param(t: any, k: string | undefined, i: number) { log.push('param ' + k + ' ' + i); }
function twice(t: any, k: string, d: PropertyDescriptor) { const f = d.value; d.value = function (x: number) { return 2 * f.call(this, x); }; }
@cls class A {
  @member field = 1;
  constructor(@param x: number) {}
  @member method(@param y: number) {}
  @twice double(x: number) { return x; }
}
console.log(log.join(), new A(1).double(4));";
    prints("a.ts", source, "member field undefined,param method 0,member method object,param undefined 0,class A 8");
}

#[test]
fn a_decorated_exported_class_stays_a_module() {
    let source =
        "const d = (t: any) => { t.mark = 1; };\n@d export class A { static mark?: number; }\nconsole.log(A.mark);";
    assert_eq!(prints("a.ts", source, "1").module, Module::EsModule);
}

#[test]
fn type_imports_and_unused_imports_are_dropped() {
    let source = "import type { A } from './missing';
import { type B, type C } from 'node:path';
import { Used } from './also-missing';
import { join, type D } from 'node:path';
let a: A | B | C | D | Used | undefined;
console.log(join('x', 'y'), a);";
    assert_eq!(prints("a.ts", source, "x/y undefined").module, Module::EsModule);
}

#[test]
fn import_require_makes_a_script() {
    let source = "import path = require('path');\nimport type fs = require('fs');\nconsole.log(path.join('a', 'b'));";
    let javascript = prints("a.ts", source, "a/b");
    assert_eq!(javascript.module, Module::Script);
    assert!(javascript.code.starts_with("\"use strict\";"), "{}", javascript.code);
}

#[test]
fn export_equals_makes_a_script() {
    let source =
        "import type { A } from './missing';\nclass K { a?: A }\nconsole.log(typeof module.exports);\nexport = K;";
    assert_eq!(prints("a.cts", source, "object").module, Module::Script);
}

#[test]
fn import_require_beside_exports_works_in_a_module() {
    let source = "import path = require('path');\nexport const x = path.join('a', 'b');\nconsole.log(x);";
    assert_eq!(prints("a.ts", source, "a/b").module, Module::EsModule);
}

#[test]
fn an_import_alias_of_a_namespace_is_a_variable() {
    prints("a.ts", "namespace A.B { export const x = 1 }\nimport C = A.B;\nconsole.log(C.x);", "1");
}

#[test]
fn a_top_level_await_makes_a_module() {
    let source = "const x: number = await Promise.resolve(3);\nconsole.log(x);";
    assert_eq!(prints("a.ts", source, "3").module, Module::EsModule);
    assert_eq!(prints("a.mts", source, "3").module, Module::EsModule);
}

#[test]
fn a_file_named_mts_is_a_module_without_imports() {
    assert_eq!(prints("a.mts", "console.log(typeof this);", "undefined").module, Module::EsModule);
}

#[test]
fn using_disposes_at_the_end_of_the_block() {
    let source = "{ using a = { [Symbol.dispose]() { console.log('disposed'); } }; console.log('inside'); }";
    prints("a.ts", source, "inside\ndisposed");
}

#[test]
fn jsx_becomes_calls() {
    let javascript = to_javascript("export const a = <b c={1 as number}>it's <i/></b>;", "a.tsx").unwrap();
    assert!(javascript.code.contains("react/jsx-runtime"), "{}", javascript.code);
}

#[test]
fn an_empty_file_is_an_empty_script() {
    for source in ["", "\u{feff}", "\n\r\n", "// nothing", "type A = 1;"] {
        let javascript = prints("a.ts", source, "");
        assert_eq!((javascript.code.as_str(), javascript.module), ("", Module::Script), "{source:?}");
    }
}

#[test]
fn a_byte_order_mark_is_ignored() {
    prints("a.ts", "\u{feff}#!/usr/bin/env node\nconst x: number = 1; console.log(x);", "1");
}

#[test]
fn carriage_returns_end_lines_and_are_one_line_feed_in_templates() {
    prints(
        "a.ts",
        "const x: string = `a\r\nb`;\r\nlet y = 1\r\nlet z = 'c\\\r\nd'\r\nconsole.log(x.length, y, z)\r\n",
        "3 1 cd",
    );
}

#[test]
fn characters_outside_ascii_survive() {
    prints("a.ts", "const größe: string = '日本 👍'; console.log(größe);", "日本 👍");
}
