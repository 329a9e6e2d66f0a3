//! What is reported, and where.

use palisade_typescript::{Problem, to_javascript};

#[allow(clippy::expect_used, reason = "a helper of tests")]
fn problems(name: &str, source: &str) -> Vec<Problem> {
    to_javascript(source, name).expect_err("it compiled")
}

#[test]
fn a_syntax_error_is_reported_with_its_place() {
    let found = problems("dir/a.ts", "const a: number = 1;\nconst b = ;\n");
    assert_eq!((found[0].line, found[0].column), (2, 11));
    assert_eq!(found[0].to_string(), "dir/a.ts:2:11: error: Unexpected token");
}

#[test]
fn a_place_counts_characters_and_ignores_a_byte_order_mark_and_carriage_returns() {
    let found = problems("a.ts", "\u{feff}let a = 1;\r\n/* 日本👍 */ let = = 2;\r\n");
    assert_eq!((found[0].line, found[0].column), (2, 17), "{found:?}");
    let found = problems("a.ts", "\u{feff}const;");
    assert_eq!((found[0].line, found[0].column), (1, 6), "{found:?}");
}

#[test]
fn an_unfinished_file_is_reported_at_its_end() {
    let found = problems("a.ts", "function f() {\n  return 1;\n");
    assert_eq!((found[0].line, found[0].column), (3, 1), "{found:?}");
}

#[test]
fn a_name_declared_twice_is_reported() {
    let found = problems("a.ts", "let a = 1;\nlet a = 2;");
    assert!(found[0].message.contains("already been declared"), "{found:?}");
}

#[test]
fn type_errors_are_not_reported() {
    assert!(to_javascript("const a: number = 'text'; missing.call();", "a.ts").is_ok());
}

#[test]
fn auto_accessors_are_refused_for_node_20() {
    let found = problems("a.ts", "class A {\n  accessor x = 1;\n}");
    assert_eq!(found[0].to_string(), "a.ts:2:3: error: Node 20 has no `accessor` fields");
    assert!(to_javascript("const accessor: number = 1;", "a.ts").is_ok());
}

#[test]
fn export_equals_beside_value_imports_is_refused() {
    let found = problems("a.ts", "import { join } from 'path';\nexport = join;");
    assert!(found[0].message.contains("export ="), "{found:?}");
}

#[test]
fn an_exported_variable_of_a_namespace_is_refused_because_it_would_not_follow_assignments() {
    let found = problems("a.ts", "namespace A {\n  export let n = 0;\n  export function f() { n++; }\n}");
    assert_eq!(found[0].line, 2, "{found:?}");
    assert!(found[0].message.contains("non-const"), "{found:?}");
}
