//! Walks back from the end of a version, on all its ways at once.
//!
//! In: a version, and how far. Out: what is popped on each way; or the states that it was in. All in tree-sitter's order. Not here: how
//! ways part and meet (`../stack.rs`).

use super::{Link, Place, Slices, Stack, Subs};
use crate::parse::lr::forest::{Forest, NONE};

/// Ways that are followed back at once.
const MOST_ITERATORS: usize = 64;
/// Nodes that are passed in one walk back: of a text with very many ways to read it there are more than anybody can walk.
const MOST_STEPS: usize = 1 << 20;
/// Nodes that are looked back behind a mistake.
const DEEPEST_SUMMARY: usize = 16;
/// A state that a version was in before its mistake.
#[derive(Clone, Copy, Debug)]
pub(in crate::parse::lr) struct Former {
    pub(in crate::parse::lr) state: u16,
    pub(in crate::parse::lr) at: u32,
    /// Nodes between it and the mistake.
    pub(in crate::parse::lr) depth: usize,
}

/// A way that is followed back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    place: Place,
    /// What was popped last on it, by its number.
    last: u32,
    count: usize,
}

impl Stack {
    /// Remembers the states before a version's place.
    pub(in crate::parse::lr) fn summarize(&mut self, version: usize, forest: &Forest) {
        let mut summary: Vec<Former> = Vec::new();
        let mut ways = vec![(self.heads[version].place, 0)];
        // In the order in which `walk_back` goes.
        while !ways.is_empty() {
            let (mut index, mut size) = (0, ways.len());
            while index < size {
                let (place, depth) = ways[index];
                let node = &self.nodes[place as usize];
                let links = usize::from(node.links);
                if depth <= DEEPEST_SUMMARY {
                    let same = summary.iter().rev().take_while(|former| former.depth >= depth);
                    if !same.into_iter().any(|former| former.depth == depth && former.state == node.state) {
                        summary.push(Former { state: node.state, at: node.at, depth });
                    }
                }
                if depth > DEEPEST_SUMMARY || links == 0 {
                    ways.remove(index);
                    size -= 1;
                    continue;
                }
                for number in 1..=links {
                    let is_last = number == links;
                    if !is_last && ways.len() >= MOST_ITERATORS {
                        continue;
                    }
                    let link = self.link(place, if is_last { 0 } else { number });
                    let way = (link.to, depth + usize::from(counts(link, forest)));
                    if is_last { ways[index] = way } else { ways.push(way) }
                }
                index += 1;
            }
        }
        self.summaries.push(summary);
        self.heads[version].summary = self.summaries.len() as u32;
    }

    /// The states before a version's last mistake, the nearest first.
    pub(in crate::parse::lr) fn former(&self, version: usize, number: usize) -> Option<Former> {
        let summary = (self.heads[version].summary as usize).checked_sub(1)?;
        self.summaries[summary].get(number).copied()
    }

    /// Pops `count` nodes on every way back: a version for each place where that ends.
    pub(in crate::parse::lr) fn pop(&mut self, version: usize, count: usize, forest: &Forest) -> Slices {
        self.walk_back(version, Some(count), forest)
    }

    /// Pops everything on every way back.
    pub(in crate::parse::lr) fn pop_all(&mut self, version: usize, forest: &Forest) -> Slices {
        self.walk_back(version, None, forest)
    }

    /// Pops so many nodes, or all.
    fn walk_back(&mut self, version: usize, most: Option<usize>, forest: &Forest) -> Slices {
        let mut slices = Slices::new();
        let mut ways = std::mem::take(&mut self.ways);
        // What was popped, each with the number of what was popped on its way before it.
        let mut popped = std::mem::take(&mut self.popped);
        popped.clear();
        ways.clear();
        ways.push(Way { place: self.heads[version].place, last: NONE, count: 0 });
        let mut steps = 0;
        while !ways.is_empty() && !self.gave_up {
            let (mut index, mut size) = (0, ways.len());
            while index < size {
                let way = ways[index];
                steps += 1;
                let links = usize::from(self.nodes[way.place as usize].links);
                let pops = most.map_or(links == 0, |most| way.count == most);
                if pops || links == 0 {
                    ways.remove(index);
                    size -= 1;
                    if pops {
                        let first = (way.last != NONE).then_some(way.last);
                        let next = |number: &u32| Some(popped[*number as usize].1).filter(|next| *next != NONE);
                        let subs = std::iter::successors(first, next).map(|number| popped[number as usize].0);
                        let subs: Subs = subs.collect();
                        steps += subs.len();
                        self.slice(&mut slices, version, way.place, subs);
                    }
                    continue;
                }
                for number in 1..=links {
                    let is_last = number == links;
                    if !is_last && ways.len() >= MOST_ITERATORS {
                        continue;
                    }
                    let link = self.link(way.place, if is_last { 0 } else { number });
                    let mut next = Way { place: link.to, count: way.count + usize::from(counts(link, forest)), ..way };
                    if link.sub != NONE {
                        popped.push((link.sub, way.last));
                        next.last = (popped.len() - 1) as u32;
                    }
                    if is_last { ways[index] = next } else { ways.push(next) }
                }
                index += 1;
            }
            self.gave_up |= steps > MOST_STEPS;
        }
        self.steps += steps;
        (self.ways, self.popped) = (ways, popped);
        slices
    }
}

/// Whether a link is one of those that a reduction counts.
fn counts(link: Link, forest: &Forest) -> bool {
    link.sub == NONE || !forest.part(link.sub).is_extra
}
