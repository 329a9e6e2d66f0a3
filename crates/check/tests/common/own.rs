//! Words of policies that fit no frame, with programs of their own.
//!
//! Not here: the frames (`frames.rs`).

/// Language, word, a use, the use by another name, an innocent program.
pub type Own = (&'static str, &'static str, &'static str, Result<&'static str, &'static str>, &'static str);

/// Words that fit no frame.
pub const OWN: &[Own] = &[
    (
        "go",
        "//go:linkname",
        "package a\n\n//go:linkname f runtime.f\nfunc f()\n",
        Err("a directive is a comment of the compiler, which has no names for it"),
        "package a\n\n// go:linkname f runtime.f\nvar s = \"//go:linkname f runtime.f\"\n",
    ),
    (
        "go",
        "//go:cgo_*",
        "package a\n\n//go:cgo_import_dynamic f\nfunc f()\n",
        Err("a directive is a comment of the compiler, which has no names for it"),
        "package a\n\n// go:cgo_import_dynamic f\n//go:noinline\nfunc f() {}\n",
    ),
    (
        "rust",
        "unsafe",
        "unsafe fn f() {}\n",
        Ok("macro_rules! m { () => { unsafe { f() } } }\n"),
        "// unsafe\nfn f() { let r#unsafe = \"unsafe\"; let unsafely = r#unsafe; }\n",
    ),
    (
        "rust",
        "unsafe_block",
        "fn f() { unsafe { g() } }\n",
        Err("a keyword has no other name; in a macro it is found by the word `unsafe`"),
        "// unsafe {}\nfn f() { let s = \"unsafe {}\"; }\n",
    ),
    (
        "rust",
        "foreign_mod_item",
        "extern \"C\" { fn f(); }\n",
        Ok("unsafe extern { fn f(); }\n"),
        "// extern \"C\" { fn f(); }\nextern crate alloc;\n",
    ),
    (
        "java",
        "native",
        "class A { native void f(); }\n",
        Ok("class A { n\\u0061tive void f(); }\n"),
        "class A { int natively; /* native */ String s = \"native void f();\"; }\n",
    ),
    (
        "c",
        "gnu_asm_expression",
        "int f(void) { asm(\"nop\"); return 1; }\n",
        Ok("int f(void) { __asm__ __volatile__(\"nop\"); return 1; }\n"),
        "/* asm(\"nop\"); */\nint f(void) { int asmlike = 1; return asmlike; }\n",
    ),
    (
        "javascript",
        "/*",
        "import x from '/zz';\n",
        Ok("require('/' + 'zz');\n"),
        "import x from './/zz';\n// require('/zz')\nconst s = '/zz';\n",
    ),
    (
        "java",
        "java.lang.Runtime().exec",
        "class A { void f() throws Exception { Runtime.getRuntime().exec(\"x\"); } }\n",
        Ok(
            "import static java.lang.Runtime.getRuntime;\nclass A { void f() throws Exception { getRuntime().exec(\"x\"); } }\n",
        ),
        "class A { void exec() {} void f() { exec(); String s = \"Runtime.getRuntime().exec\"; Runtime.getRuntime().gc(); } }\n",
    ),
    (
        "java",
        "*.getRuntime().exec",
        "class A { void f(B b) throws Exception { b.getRuntime().exec(\"x\"); } }\n",
        Ok("class A { void f(B b) throws Exception { B r = b.getRuntime(); r.exec(\"x\"); } }\n"),
        "class A { void f(B b) { b.exec(); b.getRuntime(); } } // b.getRuntime().exec()\n",
    ),
    (
        "go",
        "//go:embed",
        "package a\n\n//go:embed x.txt\nvar s string\n",
        Err("a directive is a comment of the compiler, which has no names for it"),
        "package a\n\n// go:embed x.txt\nvar s = \"//go:embed x.txt\"\n",
    ),
    (
        "go",
        "//go:generate",
        "package a\n\n//go:generate stringer\nvar s string\n",
        Err("a directive is a comment of the compiler, which has no names for it"),
        "package a\n\n// go:generate stringer\nvar s = `//go:generate x`\n",
    ),
    (
        "c",
        "__attribute__.alias",
        "int f(void) __attribute__((alias(\"g\")));\n",
        Ok("int f(void) __attribute__((__alias__(\"g\")));\n"),
        "/* __attribute__((alias(\"g\"))) */\nint alias(int a) { return a; }\nint f(void) __attribute__((noinline));\n",
    ),
    (
        "c",
        "__attribute__.weakref",
        "int f(void) __attribute__((weakref(\"g\")));\n",
        Ok("int f(void) __attribute__((__weakref__(\"g\")));\n"),
        "/* __attribute__((weakref(\"g\"))) */\nint weakref(int a) { return a; }\nint f(void) __attribute__((noinline));\n",
    ),
    (
        "c",
        "__attribute__.ifunc",
        "int f(void) __attribute__((ifunc(\"g\")));\n",
        Ok("int f(void) __attribute__((__ifunc__(\"g\")));\n"),
        "/* __attribute__((ifunc(\"g\"))) */\nint ifunc(int a) { return a; }\nint f(void) __attribute__((noinline));\n",
    ),
    (
        "c",
        "#pragma.redefine_extname",
        "#pragma redefine_extname f g\n",
        Ok("#  pragma redefine_extname f g\n"),
        "// #pragma redefine_extname f g\n#pragma once\n",
    ),
];
