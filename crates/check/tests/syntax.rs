//! Mistakes are found where they are, in every language; what compilers take is not one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests: the helpers too")]

use palisade_check::{Language, Policy, check};
use palisade_spec::{FindingCode, Severity};

fn mistakes(language: &str, code: &str) -> Vec<(Severity, u32)> {
    let language: Language = language.parse().unwrap();
    let policy = Policy::shipped("permissive", language).unwrap().unwrap();
    let checked = check("a", code.as_bytes(), language, &policy);
    let found = checked.findings.into_iter().filter(|finding| finding.code == FindingCode::SyntaxError);
    found.map(|finding| (finding.severity, finding.span.line)).collect()
}

#[test]
fn a_mistake_is_found_on_its_line() {
    for (language, code, line) in [
        ("python", "x = 1\nif x\n    print(x)\n", 2),
        ("python", "def f(:\n    pass\n", 1),
        ("javascript", "let x = 1;\nlet y = ;\n", 2),
        ("javascript", "function f( { return 1 }\n", 1),
        ("typescript", "const x: = 1;\n", 1),
        ("tsx", "const x = <a></b\n", 1),
        ("go", "package a\nfunc f() {\n\tx := \n}\n", 3),
        ("rust", "fn f() {\n    let x = ;\n}\n", 2),
        ("java", "class A {\n    int f( { return 1; }\n}\n", 2),
        ("c", "#include <stdio.h>\nint main(void) {\n    int x = ;\n    return 0;\n}\n", 3),
        ("c", "#include <stdio.h>\nint main(void) {\n    puts(\"x\")\n    return 0;\n}\n", 3),
        ("c++", "#include <vector>\nint main() {\n    std::vector<int> v = {1, 2;\n}\n", 3),
    ] {
        let found = mistakes(language, code);
        let is_told = found.iter().any(|(severity, at)| *severity == Severity::Error && at.abs_diff(line) <= 1);
        assert!(is_told, "{language}: {found:?}\n{code}");
    }
}

#[test]
fn what_compilers_take_is_no_mistake() {
    for (language, code) in [
        (
            "python",
            "match x:\n    case [a, *_] if a > 1: print(f'{a!r:>{10}}')\nasync def f[T](x: T) -> T: return await x\n",
        ),
        (
            "javascript",
            "#!/usr/bin/env node\nclass A { static { this.#x ??= 1n ** 2n } #x; get [`a`]() { return a?.b?.[0] } }\n",
        ),
        (
            "typescript",
            "abstract class A<const T extends readonly unknown[]> { declare x: T; accessor y = 1 as const satisfies number }\n",
        ),
        ("tsx", "const f = <T,>(x: T) => <a.b c={x} {...x}>{x}&amp;</a.b>;\n"),
        (
            "go",
            "package a\nfunc f[T any, P interface{ *T }](x ...T) (y P, err error) { defer func() {}(); goto l; l: return }\n",
        ),
        (
            "rust",
            "impl<'a, const N: usize> A<'a, N> where Self: Sized { async unsafe extern \"C\" fn f(&self) -> impl Fn() + 'a { || () } }\n",
        ),
        (
            "java",
            "sealed interface A permits B {} record B<T>(T... x) implements A { B { assert x != null : \"\"\"\n t\"\"\"; } }\n",
        ),
        (
            "c",
            "#include <stdio.h>\n_Static_assert(sizeof(int) >= 2, \"\");\nint main(void) { int x[] = { [1] = 2 }; return _Generic(x[1], int: 0); }\n",
        ),
        (
            "c++",
            "#include <vector>\ntemplate <class T> concept C = requires(T a) { a + a; };\nauto f(C auto&&... x) -> int { return (0 + ... + x); }\n",
        ),
    ] {
        assert_eq!(mistakes(language, code), [], "{language}: {code}");
    }
}

#[test]
fn where_a_macro_may_stand_a_mistake_is_only_suspected() {
    let code = "#include <x.h>\nBEGIN_DECLS\nint f(void) API(1);\nEND_DECLS\nFOR_EACH(x, y) {\n}\n";
    let found = mistakes("c", code);
    assert!(found.iter().all(|(severity, _)| *severity == Severity::Note), "{found:?}");
}
