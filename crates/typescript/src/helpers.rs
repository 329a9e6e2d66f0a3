//! Functions the compiled program calls that Node 20 does not have.
//!
//! oxc refers to them by importing a package. A single file has no packages, so [`take`] removes those imports and
//! [`append`] writes the functions at the end: function declarations are hoisted, hence neither a `#!` line nor
//! `"use strict"` is pushed from its place.

use oxc_ast::ast::{Argument, BindingPattern, Expression, ImportDeclarationSpecifier, Program, Statement};

/// The package name oxc is told to import from; no source can mean anything else by it.
pub(crate) const PACKAGE: &str = "palisade:typescript";

/// From TypeScript's `emitHelpers.ts` (Apache-2.0).
const DECORATE: &str = r#"(decorators, target, key, desc) {
	var c = arguments.length, r = c < 3 ? target : desc === null ? desc = Object.getOwnPropertyDescriptor(target, key) : desc, d;
	if (typeof Reflect === "object" && typeof Reflect.decorate === "function") r = Reflect.decorate(decorators, target, key, desc);
	else for (var i = decorators.length - 1; i >= 0; i--) if (d = decorators[i]) r = (c < 3 ? d(r) : c > 3 ? d(target, key, r) : d(target, key)) || r;
	return c > 3 && r && Object.defineProperty(target, key, r), r;
}
"#;

/// From TypeScript's `emitHelpers.ts` (Apache-2.0).
const DECORATE_PARAM: &str = r"(index, decorator) {
	return function(target, key) {
		decorator(target, key, index);
	};
}
";

/// From Babel's `usingCtx` (MIT), `using` and `await using`.
const USING_CTX: &str = r#"() {
	var Suppressed = typeof SuppressedError === "function" ? SuppressedError : function(error, suppressed) {
		var wrapped = Error();
		return wrapped.name = "SuppressedError", wrapped.error = error, wrapped.suppressed = suppressed, wrapped;
	}, empty = {}, stack = [];
	function using(isAwait, value) {
		if (value != null) {
			if (Object(value) !== value) throw new TypeError("using declarations can only be used with objects, functions, null, or undefined.");
			if (isAwait) var dispose = value[Symbol.asyncDispose || Symbol.for("Symbol.asyncDispose")];
			if (dispose === undefined && (dispose = value[Symbol.dispose || Symbol.for("Symbol.dispose")], isAwait)) var inner = dispose;
			if (typeof dispose !== "function") throw new TypeError("Object is not disposable.");
			inner && (dispose = function() {
				try { inner.call(value); } catch (error) { return Promise.reject(error); }
			}), stack.push({ v: value, d: dispose, a: isAwait });
		} else isAwait && stack.push({ d: value, a: isAwait });
		return value;
	}
	return { e: empty, u: using.bind(null, false), a: using.bind(null, true), d: function() {
		var resource, error = this.e, state = 0;
		function next() {
			for (; resource = stack.pop();) try {
				if (!resource.a && state === 1) return state = 0, stack.push(resource), Promise.resolve().then(next);
				if (resource.d) {
					var result = resource.d.call(resource.v);
					if (resource.a) return state |= 2, Promise.resolve(result).then(next, fail);
				} else state |= 1;
			} catch (caught) { return fail(caught); }
			if (state === 1) return error !== empty ? Promise.reject(error) : Promise.resolve();
			if (error !== empty) throw error;
		}
		function fail(caught) {
			return error = error !== empty ? new Suppressed(caught, error) : caught, next();
		}
		return next();
	} };
}
"#;

/// A helper the program uses: the name it is called by there, and oxc's name for it.
pub(crate) struct Used {
    local: String,
    helper: String,
}

/// Removes the imports of helpers from `program` and says which there were.
pub(crate) fn take(program: &mut Program<'_>) -> Vec<Used> {
    let mut used = Vec::new();
    program.body.retain(|statement| match imported(statement) {
        Some(helper) => {
            used.push(helper);
            false
        }
        None => true,
    });
    used
}

/// Writes the helpers behind `code`.
///
/// # Errors
/// The name of a helper that is not known here.
pub(crate) fn append(code: &mut String, used: &[Used]) -> Result<(), String> {
    for Used { local, helper } in used {
        let body = match helper.as_str() {
            "decorate" => DECORATE,
            "decorateParam" => DECORATE_PARAM,
            "usingCtx" => USING_CTX,
            _ => return Err(helper.clone()),
        };
        code.push_str("function ");
        code.push_str(local);
        code.push_str(body);
    }
    Ok(())
}

fn imported(statement: &Statement<'_>) -> Option<Used> {
    let (local, source) = match statement {
        Statement::ImportDeclaration(import) => match import.specifiers.as_ref()?.first()? {
            ImportDeclarationSpecifier::ImportDefaultSpecifier(default) => {
                (default.local.name.as_str(), import.source.value.as_str())
            }
            _ => return None,
        },
        Statement::VariableDeclaration(declaration) => {
            let declarator = declaration.declarations.first()?;
            let BindingPattern::BindingIdentifier(local) = &declarator.id else { return None };
            let Some(Expression::CallExpression(call)) = &declarator.init else { return None };
            let Some(Argument::StringLiteral(source)) = call.arguments.first() else { return None };
            (local.name.as_str(), source.value.as_str())
        }
        _ => return None,
    };
    let helper = source.strip_prefix(PACKAGE)?.strip_prefix("/helpers/")?;
    Some(Used { local: local.to_owned(), helper: helper.to_owned() })
}
