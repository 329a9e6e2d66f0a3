//! Complexity is counted alike in every language.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests: the helpers too")]

use palisade_check::{Language, Policy, check};

fn complexity(language: &str, code: &str) -> (u32, Vec<(String, u32)>) {
    let language: Language = language.parse().unwrap();
    let policy = Policy::shipped("permissive", language).unwrap().unwrap();
    let checked = check("a", code.as_bytes(), language, &policy);
    (checked.complexity, checked.functions.into_iter().map(|function| (function.name, function.complexity)).collect())
}

#[test]
fn each_branch_is_one_more_path() {
    // if, and, loop, loop, two cases beside the default, a choice within an expression: eight paths.
    for (language, code) in [
        (
            "javascript",
            "function f(a) { if (a && a) {} for (;;) {} while (a) {} switch (a) { case 1: case 2: default: } return a ? 1 : 2 }",
        ),
        (
            "typescript",
            "function f(a: number) { if (a && a) {} for (;;) {} while (a) {} switch (a) { case 1: case 2: default: } return a ? 1 : 2 }",
        ),
        (
            "java",
            "class A { int f(int a) { if (a > 0 && a < 1) {} for (;;) {} while (a > 0) {} switch (a) { case 1: case 2: default: } return a > 0 ? 1 : 2; } }",
        ),
        (
            "c",
            "int f(int a) { if (a && a) {} for (;;) {} while (a) {} switch (a) { case 1: case 2: default: ; } return a ? 1 : 2; }",
        ),
        (
            "c++",
            "int f(int a) { if (a && a) {} for (;;) {} while (a) {} switch (a) { case 1: case 2: default: ; } return a ? 1 : 2; }",
        ),
        (
            "python",
            "def f(a):\n    if a and a: pass\n    for b in a: pass\n    while a: pass\n    match a:\n        case 1: pass\n        case 2: pass\n    return 1 if a else 2\n",
        ),
        (
            "go",
            "package a\nfunc f(a int) { if a > 0 && a < 1 {}; for {}; for range 3 {}; switch a { case 1: case 2: default: }; if a > 0 {} }",
        ),
        (
            "rust",
            "fn f(a: i32) { if a > 0 && a < 1 {} for _ in 0..1 {} while a > 0 {} match a { 1 => {} _ => {} } g()?; }",
        ),
    ] {
        assert_eq!(complexity(language, code), (9, vec![("f".to_owned(), 8)]), "{language}");
    }
}

#[test]
fn a_function_within_another_counts_for_itself() {
    let (total, functions) = complexity(
        "python",
        "if x: pass\ndef f():\n    def g():\n        if x: pass\n    return lambda: 1 if x else 2\n",
    );
    assert_eq!(functions, [("f".to_owned(), 1), ("g".to_owned(), 2), (String::new(), 2)]);
    assert_eq!(total, 7, "2 outside, 1, 2, 2");
}

#[test]
fn a_file_without_branches_has_one_path() {
    assert_eq!(complexity("python", ""), (1, Vec::new()));
    assert_eq!(complexity("python", "x = 1\n"), (1, Vec::new()));
}
