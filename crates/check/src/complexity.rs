//! Cyclomatic complexity (McCabe): 1 and 1 for each branch, of each function and of the code outside of functions.
//!
//! In: a tree. Out: numbers. A function within another counts for itself. Not here: which nodes are branches (`languages/`).

use palisade_spec::FunctionComplexity;

use crate::{
    role::Role,
    text::Text,
    tree::{Id, Tree},
};

/// Functions that are listed; all count.
const MOST: usize = 1000;

/// The sum, and the functions in their order.
pub(crate) fn measure(tree: &Tree<'_>, text: &Text<'_>) -> (u32, Vec<FunctionComplexity>) {
    let mut functions: Vec<FunctionComplexity> = Vec::new();
    let mut open: Vec<(Id, Option<usize>, u32)> = Vec::new();
    let mut total: u32 = 1;
    let close = |open: &mut Vec<(Id, Option<usize>, u32)>, functions: &mut Vec<FunctionComplexity>| {
        if let Some((_, Some(at), count)) = open.pop() {
            functions[at].complexity = count;
        }
    };
    for id in tree.all() {
        while open.last().is_some_and(|(function, ..)| tree.after(*function) <= id) {
            close(&mut open, &mut functions);
        }
        let kind = tree.kind_id(id);
        if tree.grammar.is_function(kind) {
            let at = (functions.len() < MOST).then(|| {
                let line = text.span(&tree.range(id)).line;
                functions.push(FunctionComplexity { name: name(tree, id), line, complexity: 1 });
                functions.len() - 1
            });
            open.push((id, at, 1));
            total += 1;
        } else if tree.grammar.is_branch(kind) && !is_default(tree, id) {
            total += 1;
            if let Some((_, _, count)) = open.last_mut() {
                *count += 1;
            }
        }
    }
    while !open.is_empty() {
        close(&mut open, &mut functions);
    }
    (total, functions)
}

/// `default:` is the path that is there anyway.
fn is_default(tree: &Tree<'_>, id: Id) -> bool {
    matches!(tree.kind(id), "switch_label" | "case_statement")
        && tree.children(id).next().is_some_and(|first| tree.kind(first) == "default")
}

fn name(tree: &Tree<'_>, id: Id) -> String {
    let named = tree.field(id, "name").or_else(|| {
        let declarator = tree.field(id, "declarator")?;
        tree.below(declarator).find(|below| {
            matches!(tree.role(*below), Role::Name | Role::Member(..)) || tree.kind(*below) == "field_identifier"
        })
    });
    named.map_or_else(String::new, |name| tree.source(name).chars().take(200).collect())
}
