//! The nodes of a parse that somebody sees, as a flat tree.
//!
//! In: a [`Forest`] and its root. Out: a [`Tree`] as tree-sitter's cursor would have walked it: helps of the grammar left out,
//! other names and fields where a production gives them. Not here: which nodes there are (`engine.rs`).

use palisade_tables::Tables;

use super::forest::{ERROR, Forest, Part, Sub};
use crate::{
    role::Grammar,
    tree::{Builder, Form, GaveUp, Tree},
};

/// A node whose children are told.
struct Open<'a> {
    production: u16,
    /// Children that are not told yet.
    left: std::slice::Iter<'a, Sub>,
    /// Children told so far, without those that may stand anywhere.
    number: u32,
    /// The field in which the children of a node stand that nobody sees.
    field: u16,
    is_seen: bool,
}

/// The tree below a root.
pub(super) fn tree<'a>(
    forest: &Forest,
    root: Sub,
    tables: Tables,
    text: &'a str,
    grammar: &'a Grammar,
) -> Result<Tree<'a>, GaveUp> {
    let mut tree = Builder::new(text, grammar);
    let top = forest.part(root);
    tree.open(tables.public(top.symbol), form(tables, top, top.symbol), top.start..top.end);
    let left = forest.children(root).iter();
    let mut open = vec![Open { production: top.production, left, number: 0, field: 0, is_seen: true }];
    while let Some(above) = open.last_mut() {
        let Some(sub) = above.left.next().copied() else {
            if above.is_seen {
                tree.close();
            }
            open.pop();
            continue;
        };
        let part = forest.part(sub);
        let (mut symbol, mut field, mut is_seen) = (part.symbol, 0, tables.is_visible(part.symbol));
        if !part.is_extra {
            let alias = tables.aliases(above.production).get(above.number as usize).copied().unwrap_or(0);
            if alias != 0 {
                (symbol, is_seen) = (alias, true);
            }
            field = tables.field(above.production, above.number);
            if field == 0 && !above.is_seen {
                field = above.field;
            }
            above.number += 1;
        }
        let has_children = part.child_count() > 0;
        if is_seen {
            tree.field = field;
            let kind = tables.public(symbol);
            if !has_children {
                tree.leaf(kind, form(tables, part, symbol), part.start..part.end);
                continue;
            }
            tree.open(kind, form(tables, part, symbol), part.start..part.end);
            if tree.is_too_deep() {
                break;
            }
        }
        if has_children {
            let left = forest.children(sub).iter();
            open.push(Open { production: part.production, left, number: 0, field, is_seen });
        }
    }
    tree.finish(top.cost > 0, None)
}

fn form(tables: Tables, part: &Part, symbol: u16) -> Form {
    if part.is_missing {
        Form::Missing
    } else if symbol == ERROR {
        Form::Error
    } else if tables.is_named(symbol) {
        Form::Named
    } else {
        Form::Anonymous
    }
}
