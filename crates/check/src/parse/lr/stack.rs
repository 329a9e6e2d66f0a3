//! The ways to read a text that are still open, as one graph: they part where the grammar is ambiguous and meet again.
//!
//! In: nodes pushed and popped. Out: the ways, called versions, in their order. All as tree-sitter's `stack.c` does it, in whose
//! order ties are decided. Not here: walks along them (`stack/walk.rs`), which version is the better (`rank.rs`).

mod walk;

use smallvec::SmallVec;
use walk::{Former, Way};

use super::forest::{ERROR, Forest, NONE, Sub, cost};

/// Ways that lead to one place.
const MOST_LINKS: usize = 8;
/// The state behind a mistake.
pub(super) const LOST: u16 = 0;

/// A place's number.
pub(super) type Place = u32;

/// The way from a place back.
#[derive(Clone, Copy, Debug)]
struct Link {
    to: Place,
    sub: Sub,
}

/// A state, behind all that was read on the way to it.
#[derive(Clone, Debug)]
struct Node {
    state: u16,
    /// How many links there are.
    links: u16,
    at: u32,
    precedence: i32,
    /// What the mistakes before it weigh.
    cost: u32,
    /// Nodes before it that are seen.
    count: u32,
    first: Link,
    /// The second, if there are more.
    more: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Active,
    /// It can not go on.
    Paused,
    /// It is to be removed.
    Halted,
}

/// The end of a way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) place: Place,
    /// What the handwritten scanner knows here.
    pub(super) known: u32,
    pub(super) status: Status,
    /// The token with which a paused one can not go on.
    pub(super) token: Sub,
    /// The node's count at the last mistake.
    count: u32,
    /// The number of a summary, counted from 1.
    summary: u32,
}

/// Nodes that were popped: seldom many.
pub(super) type Subs = SmallVec<[Sub; 8]>;

/// What was popped on one way, and the version that is left of it.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) subs: Subs,
    pub(super) version: usize,
}

/// One for each way.
pub(super) type Slices = SmallVec<[Slice; 4]>;

#[derive(Debug)]
pub(super) struct Stack {
    nodes: Vec<Node>,
    /// Links to one place beside its first, each with the number of the next.
    more: Vec<(Link, u32)>,
    pub(super) heads: Vec<Head>,
    summaries: Vec<Vec<Former>>,
    /// Nodes that were passed on walks back since this was set to 0.
    pub(super) steps: usize,
    /// A walk back was not walked to its end.
    pub(super) gave_up: bool,
    /// For the next walk back.
    ways: Vec<Way>,
    popped: Vec<(Sub, u32)>,
    /// Places below this number may be reached from before them.
    kept: usize,
}

impl Stack {
    pub(super) fn for_text(length: usize) -> Self {
        let first = Link { to: 0, sub: 0 };
        let base = Node { state: 1, links: 0, at: 0, precedence: 0, cost: 0, count: 0, first, more: 0 };
        let head = Head { place: 0, known: 0, status: Status::Active, token: NONE, count: 0, summary: 0 };
        let mut nodes = Vec::with_capacity(1 + length / 2);
        nodes.push(base);
        Self {
            nodes,
            more: Vec::new(),
            heads: vec![head],
            summaries: Vec::new(),
            steps: 0,
            gave_up: false,
            ways: Vec::new(),
            popped: Vec::new(),
            kept: 0,
        }
    }

    /// How much it is to hold.
    pub(super) fn size(&self) -> usize {
        self.nodes.len() + self.more.len() + self.summaries.len()
    }

    pub(super) fn state(&self, version: usize) -> u16 {
        self.nodes[self.heads[version].place as usize].state
    }

    pub(super) fn at(&self, version: usize) -> u32 {
        self.nodes[self.heads[version].place as usize].at
    }

    pub(super) fn precedence(&self, version: usize) -> i32 {
        self.nodes[self.heads[version].place as usize].precedence
    }

    pub(super) fn state_of(&self, place: Place) -> u16 {
        self.nodes[place as usize].state
    }

    pub(super) fn end_of(&self, place: Place) -> u32 {
        self.nodes[place as usize].at
    }

    /// A place behind another.
    pub(super) fn place(&mut self, from: Place, sub: Sub, state: u16, forest: &Forest) -> Place {
        let (part, before) = (forest.part(sub), &self.nodes[from as usize]);
        self.nodes.push(Node {
            state,
            links: 1,
            at: part.end,
            precedence: before.precedence + part.precedence,
            cost: before.cost + part.cost,
            count: before.count + part.progress(),
            first: Link { to: from, sub },
            more: 0,
        });
        (self.nodes.len() - 1) as Place
    }

    /// A version is lost from here on.
    pub(super) fn lose(&mut self, version: usize) {
        let head = &mut self.heads[version];
        let before = &self.nodes[head.place as usize];
        let node = Node { state: LOST, links: 1, first: Link { to: head.place, sub: NONE }, more: 0, ..before.clone() };
        head.count = node.count;
        head.place = self.nodes.len() as Place;
        self.nodes.push(node);
    }

    /// A version can not go on with a token.
    pub(super) fn pause(&mut self, version: usize, token: Sub) {
        let head = &mut self.heads[version];
        (head.status, head.token) = (Status::Paused, token);
        head.count = self.nodes[head.place as usize].count;
    }

    /// What a version's mistakes weigh.
    pub(super) fn cost(&self, version: usize) -> u32 {
        let head = &self.heads[version];
        let node = &self.nodes[head.place as usize];
        let is_new = head.status == Status::Paused || node.state == LOST && node.links > 0 && node.first.sub == NONE;
        node.cost + if is_new { cost::MISTAKE } else { 0 }
    }

    /// Nodes that a version has read since its last mistake.
    pub(super) fn progress(&mut self, version: usize) -> u32 {
        let head = &mut self.heads[version];
        let count = self.nodes[head.place as usize].count;
        head.count = head.count.min(count);
        count - head.count
    }

    /// Whether a version has read more than nothing since its last mistake.
    pub(super) fn has_progress(&self, version: usize, forest: &Forest) -> bool {
        let head = &self.heads[version];
        let mut node = &self.nodes[head.place as usize];
        if node.cost == 0 {
            return true;
        }
        while node.links > 0 && node.first.sub != NONE {
            let part = forest.part(node.first.sub);
            if part.end > part.before {
                return true;
            }
            if node.count <= head.count || part.cost > 0 {
                break;
            }
            node = &self.nodes[node.first.to as usize];
        }
        false
    }

    /// A second version at the place of another one.
    pub(super) fn copy(&mut self, version: usize) -> usize {
        self.heads.push(Head { summary: 0, ..self.heads[version] });
        self.heads.len() - 1
    }

    /// Pops what was given up, if it is what was pushed last.
    pub(super) fn pop_error(&mut self, version: usize, forest: &Forest) -> Option<Sub> {
        let place = self.heads[version].place;
        let links = 0..usize::from(self.nodes[place as usize].links);
        let mut links = links.map(|at| self.link(place, at));
        let link = links.find(|link| link.sub != NONE && forest.part(link.sub).symbol == ERROR)?;
        self.heads[version].place = link.to;
        Some(link.sub)
    }

    pub(super) fn push(&mut self, version: usize, sub: Sub, state: u16, forest: &Forest) {
        self.heads[version].place = self.place(self.heads[version].place, sub, state, forest);
    }

    /// Pops `count` nodes, and those between them that may stand anywhere, if there is but one way back. They come last first.
    pub(super) fn pop_only(&self, version: usize, count: u8, forest: &Forest, into: &mut Vec<Sub>) -> Option<Place> {
        into.clear();
        let mut place = self.heads[version].place;
        let mut left = count;
        while left > 0 {
            let node = &self.nodes[place as usize];
            if node.links != 1 || node.first.sub == NONE {
                return None;
            }
            into.push(node.first.sub);
            left -= u8::from(!forest.part(node.first.sub).is_extra);
            place = node.first.to;
        }
        Some(place)
    }

    /// Forgets the places behind one, where no other version needs them.
    pub(super) fn forget_behind(&mut self, place: Place) {
        if self.heads.len() == 1 {
            self.nodes.truncate(self.kept.max(place as usize + 1));
        }
    }

    fn link(&self, place: Place, at: usize) -> Link {
        let node = &self.nodes[place as usize];
        if at == 0 { node.first } else { self.more[self.number(node, at)].0 }
    }

    /// Where one of a node's links is that is not its first.
    fn number(&self, node: &Node, at: usize) -> usize {
        (1..at).fold(node.more as usize, |number, _| self.more[number].1 as usize)
    }

    fn slice(&mut self, slices: &mut Slices, from: usize, place: Place, subs: Subs) {
        let same = slices.iter().rposition(|slice| self.heads[slice.version].place == place);
        if let Some(at) = same {
            let version = slices[at].version;
            slices.insert(at + 1, Slice { subs, version });
            return;
        }
        self.begin(from, place);
        slices.push(Slice { subs, version: self.heads.len() - 1 });
    }

    /// A version of what one has read, at a place.
    pub(super) fn begin(&mut self, from: usize, place: Place) {
        self.heads.push(Head { place, status: Status::Active, token: NONE, summary: 0, ..self.heads[from] });
    }

    pub(super) fn can_merge(&self, one: usize, other: usize) -> bool {
        let (a, b) = (&self.heads[one], &self.heads[other]);
        a.status == Status::Active
            && b.status == Status::Active
            && self.is_same_place(a.place, b.place)
            && a.known == b.known
    }

    fn is_same_place(&self, one: Place, other: Place) -> bool {
        let (a, b) = (&self.nodes[one as usize], &self.nodes[other as usize]);
        a.state == b.state && a.at == b.at && a.cost == b.cost
    }

    /// Makes one version of two, if they have come to the same place. The second is removed.
    pub(super) fn merge(&mut self, one: usize, other: usize, forest: &Forest) -> bool {
        if !self.can_merge(one, other) {
            return false;
        }
        self.join_heads(one, other, forest);
        self.heads.remove(other);
        true
    }

    /// All ways of one version are another's as well.
    pub(super) fn join_heads(&mut self, one: usize, other: usize, forest: &Forest) {
        let place = self.heads[one].place;
        self.join(place, self.heads[other].place, forest);
        let node = &self.nodes[place as usize];
        if node.state == LOST {
            self.heads[one].count = node.count;
        }
    }

    /// All ways to one place lead to another as well.
    fn join(&mut self, to: Place, from: Place, forest: &Forest) {
        for at in 0..usize::from(self.nodes[from as usize].links) {
            self.add(to, self.link(from, at), forest);
        }
    }

    fn add(&mut self, place: Place, link: Link, forest: &Forest) {
        if link.to == place {
            return;
        }
        let before = &self.nodes[link.to as usize];
        let (mut precedence, mut count) = (before.precedence, before.count);
        if link.sub != NONE {
            let part = forest.part(link.sub);
            precedence += part.precedence;
            count += part.progress();
        }
        for at in 0..usize::from(self.nodes[place as usize].links) {
            let known = self.link(place, at);
            if !forest.are_alike(known.sub, link.sub) {
                continue;
            }
            if known.to == link.to {
                if link.sub != NONE && forest.part(link.sub).precedence > forest.part(known.sub).precedence {
                    self.set(place, at, link);
                    self.nodes[place as usize].precedence = precedence;
                }
                return;
            }
            if self.is_same_place(known.to, link.to) {
                self.join(known.to, link.to, forest);
                let node = &mut self.nodes[place as usize];
                // What the other place was worth before the two were joined.
                node.precedence = node.precedence.max(precedence);
                return;
            }
        }
        let links = usize::from(self.nodes[place as usize].links);
        if links == MOST_LINKS {
            return;
        }
        self.kept = self.kept.max(place as usize + 1).max(link.to as usize + 1);
        let new = self.more.len() as u32;
        if links > 1 {
            let last = self.number(&self.nodes[place as usize], links - 1);
            self.more[last].1 = new;
        }
        let node = &mut self.nodes[place as usize];
        match links {
            0 => node.first = link,
            1 => node.more = new,
            _ => {}
        }
        if links > 0 {
            self.more.push((link, 0));
        }
        node.links += 1;
        node.precedence = node.precedence.max(precedence);
        node.count = node.count.max(count);
    }

    fn set(&mut self, place: Place, at: usize, link: Link) {
        let number = self.number(&self.nodes[place as usize], at);
        match at {
            0 => self.nodes[place as usize].first = link,
            _ => self.more[number].0 = link,
        }
    }

    /// A version takes the place of another one.
    pub(super) fn renumber(&mut self, from: usize, to: usize) {
        if from != to {
            let summary = self.heads[to].summary;
            self.heads[to] = self.heads[from];
            if self.heads[to].summary == 0 {
                self.heads[to].summary = summary;
            }
            self.heads.remove(from);
        }
    }
}
