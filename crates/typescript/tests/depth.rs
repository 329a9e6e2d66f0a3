//! Source that is nested without end is refused; source that is merely long is not.

use palisade_typescript::to_javascript;

/// Every construct whose tree is as deep as it is long: name, head, repeated part, middle, repeated end, tail.
const CONSTRUCTS: &[(&str, &str, &str, &str, &str, &str)] = &[
    ("parentheses", "x = ", "(", "1", ")", ""),
    ("arrays", "x = ", "[", "1", "]", ""),
    ("objects", "x = ", "{a:", "1", "}", ""),
    ("blocks", "", "{", "", "}", ""),
    ("functions", "", "function f(){", "", "}", ""),
    ("classes", "", "class A{m(){", "", "}}", ""),
    ("calls", "", "f(", "1", ")", ""),
    ("arrows", "x = ", "a=>", "1", "", ""),
    ("arrows with parentheses", "x = ", "(a)=>", "1", "", ""),
    ("arrows with bodies", "x = ", "(a:any)=>{return ", "1", "}", ""),
    ("not", "x = ", "!", "1", "", ""),
    ("minus", "x = ", "- ", "1", "", ""),
    ("typeof", "x = ", "typeof ", "1", "", ""),
    ("new", "", "new ", "X", "", ""),
    ("await", "async function f(){", "await ", "1", "", "}"),
    ("yield", "function *f(){", "yield ", "1", "", "}"),
    ("sums", "x = 1", "+1", "", "", ""),
    ("powers", "x = 1", "**1", "", "", ""),
    ("conjunctions", "x = 1", "&&1", "", "", ""),
    ("coalescing", "x = 1", "??1", "", "", ""),
    ("assignments", "", "x = ", "1", "", ""),
    ("conditionals", "x = ", "a?b:", "1", "", ""),
    ("conditionals within", "x = ", "a?", "1", ":b", ""),
    ("members", "x = a", ".b", "", "", ""),
    ("optional members", "x = a", "?.b", "", "", ""),
    ("indexes", "x = a", "[1]", "", "", ""),
    ("repeated calls", "f", "()", "", "", ""),
    ("method chains", "f", ".m(1)", "", "", ""),
    ("method chains over lines", "f", "\n.m(1)", "", "", ""),
    ("tagged templates", "f", "``", "", "", ""),
    ("templates", "x = ", "`${", "1", "}`", ""),
    ("as", "x = a", " as any", "", "", ""),
    ("as over lines", "x = a", "\nas any", "", "", ""),
    ("non-null", "x = a", "!", "", "", ""),
    ("assertions", "x = ", "<any>", "y", "", ""),
    ("else if with blocks", "if(a){}", "else if(b){}", "", "", ""),
    ("else if without blocks", "if(a)x();", "else if(b)y();", "", "", ""),
    ("else if over lines", "if(a)x()", "\nelse if(b)\ny()", "", "", ""),
    ("if", "", "if(a)", ";", "", ""),
    ("if over lines", "", "if(a)\n", ";", "", ""),
    ("for", "", "for(;;)", ";", "", ""),
    ("for await", "async function f(){", "for await(a of b)", ";", "", "}"),
    ("do", "", "do ", ";", "while(0);", ""),
    ("labels", "", "l:", ";", "", ""),
    ("generics", "type A = ", "Array<", "x", ">", ""),
    ("generics with commas", "type A = ", "Map<a,", "x", ">", ""),
    ("keyof", "type A = ", "keyof ", "x", "", ""),
    ("array types", "type A = x", "[]", "", "", ""),
    ("conditional types", "type A = ", "a extends b ? c : ", "x", "", ""),
    ("function types", "type A = ", "(a: any) => ", "x", "", ""),
    ("object types", "type A = ", "{a:", "x", "}", ""),
    ("parenthesised types", "type A = ", "(", "x", ")", ""),
    ("dotted namespaces", "namespace a", ".a", "{}", "", ""),
    ("namespaces", "", "namespace a{ export const v=1;", "", "}", ""),
    ("patterns", "const ", "[", "a", "]", " = 1"),
    ("parameters", "x = ", "((a = ", "1", ")=>1)", ""),
    ("decorators", "class A{ ", "@d(", "1", ")", " x}"),
    ("after a regular expression with a quote", "x = /[/\"]/; y = ", "(", "1", ")", ""),
    ("after a regular expression behind a head", "if(a) /'/.test(b); y = ", "(", "1", ")", ""),
    ("after strings and comments", "x = \"'`\" /* \" */ // '\n; y = ", "(", "1", ")", ""),
    ("closing brackets in strings", "x = ", "')' + (", "1", ")", ""),
];

fn nested(times: usize, construct: &(&str, &str, &str, &str, &str, &str)) -> String {
    let (_, head, open, middle, close, tail) = construct;
    format!("{head}{}{middle}{}{tail};\n", open.repeat(times), close.repeat(times))
}

#[test]
fn endless_nesting_of_every_kind_is_an_error_and_not_a_crash() {
    for construct in CONSTRUCTS {
        let problems = to_javascript(&nested(100_000, construct), "a.ts").expect_err(construct.0);
        assert!(problems[0].message.starts_with("nested too deeply"), "{}: {}", construct.0, problems[0]);
    }
}

#[test]
fn endless_elements_are_an_error_and_not_a_crash() {
    for open in ["<a>", "<a b=\"c\">", "<>", "<a>, "] {
        let source = format!("x = {}{};", open.repeat(100_000), "</a>".repeat(100_000));
        assert!(to_javascript(&source, "a.tsx").is_err(), "{open}");
    }
}

#[test]
fn the_deepest_nesting_that_is_accepted_fits_the_stack() {
    for construct in CONSTRUCTS {
        // The greatest accepted number lies between two powers of two; every step of the search must survive.
        let (mut fits, mut refused) = (1, 100_000);
        while refused - fits > 50 {
            let times = usize::midpoint(fits, refused);
            let too_deep = to_javascript(&nested(times, construct), "a.ts")
                .is_err_and(|problems| problems[0].message.starts_with("nested too deeply"));
            if too_deep { refused = times } else { fits = times }
        }
        assert!(fits >= 300, "{} stops at {fits}", construct.0);
    }
}

#[test]
fn one_hundred_thousand_parentheses_are_refused_at_their_place() {
    let source = format!("\nlet x = {}1{};", "(".repeat(100_000), ")".repeat(100_000));
    let problems = to_javascript(&source, "a.ts").unwrap_err();
    assert_eq!((problems.len(), problems[0].line), (1, 2));
}

#[test]
fn a_long_program_is_not_a_deep_one() {
    let parts = [
        "const a = b.c(d => d + 1, e ? f : g) // no semicolon",
        "if (a) b(); else c();",
        "if (a) { b } else { c }",
        "class A<T> extends B<T> { x: Map<string, Array<number>> = new Map; m(): void { return this.x! } y?: string\n z = 1 }",
        "interface I { a: string\n b?: number\n c(): void\n [k: string]: unknown }",
        "const f = async <T,>(x: T): Promise<T> => { await x; return x }",
        "let o = { a: 1, b: [1, 2, 3], c() { return /[/'\"`(]/g }, ...d }",
        "const s = `a ${b + `${c}`} (((` + '((((' + \"{{{{\" // ((((",
        "for (const x of y) z(x)\nwhile (a < b) a++",
        "switch (a) { case 1: case 2: b(); break\n default: c() }",
        "enum E { A = 1, B = A | 2 }\ntype U = | 'a' | 'b'",
        "function g(x: number) { return x / 2 / 3 }",
    ];
    for part in parts {
        // In blocks of their own the names do not clash; in one list the statements follow each other directly.
        let apart = format!("{{\n{part}\n}}\n").repeat(3_000);
        assert_eq!(to_javascript(&apart, "a.ts").map(|_| ()), Ok(()), "{part}");
        let declares = ["const ", "let ", "class ", "enum "].iter().any(|word| part.contains(word));
        if !declares || part.starts_with("for") {
            assert_eq!(to_javascript(&format!("{part}\n").repeat(3_000), "a.ts").map(|_| ()), Ok(()), "{part}");
        }
    }
    let list = format!("const x = [{}];", "{ a: [1, f(2)], b: -1 ? x.y : 'z' },\n".repeat(20_000));
    assert!(to_javascript(&list, "a.ts").is_ok());
    let sum = format!("const x = 'a'{};", " +\n 'b'".repeat(10_000));
    assert!(to_javascript(&sum, "a.ts").is_ok());
    let page = format!(
        "const x = <div>{}</div>;",
        "<p className=\"a\" onClick={() => f(1)}>it's, <b>text</b> <br/></p>\n".repeat(2_000)
    );
    assert!(to_javascript(&page, "a.tsx").is_ok());
}
