//! Which way to read a text is the better, and which are given up.
//!
//! In: versions, each with what its mistakes weigh. Out: the best ones, the best first. Not here: how a version goes on
//! (`engine.rs`, `mend.rs`).

use super::{
    engine::{Engine, MOST_VERSIONS, Stuck},
    forest::cost,
    stack::{LOST, Status},
};

/// What one version may weigh more than another one that has read one node since its last mistake.
const MOST_WORSE: u32 = 18 * cost::NODE;

/// Where a version stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) cost: u32,
    pub(super) progress: u32,
    pub(super) precedence: i32,
    pub(super) is_lost: bool,
}

/// Which of two versions is the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Better {
    TakeLeft,
    Left,
    Neither,
    Right,
    TakeRight,
}

impl Standing {
    fn compare(self, other: Self) -> Better {
        match (self.is_lost, other.is_lost) {
            (false, true) if self.cost < other.cost => return Better::TakeLeft,
            (false, true) => return Better::Left,
            (true, false) if other.cost < self.cost => return Better::TakeRight,
            (true, false) => return Better::Right,
            _ => {}
        }
        let is_far = |better: Self, worse: Self| {
            (worse.cost - better.cost).wrapping_mul(better.progress.wrapping_add(1)) > MOST_WORSE
        };
        if self.cost < other.cost {
            return if is_far(self, other) { Better::TakeLeft } else { Better::Left };
        }
        if other.cost < self.cost {
            return if is_far(other, self) { Better::TakeRight } else { Better::Right };
        }
        match self.precedence.cmp(&other.precedence) {
            std::cmp::Ordering::Greater => Better::Left,
            std::cmp::Ordering::Less => Better::Right,
            std::cmp::Ordering::Equal => Better::Neither,
        }
    }
}

impl Engine<'_> {
    pub(super) fn standing(&mut self, version: usize) -> Standing {
        let is_paused = self.stack.heads[version].status == Status::Paused;
        Standing {
            cost: self.stack.cost(version) + if is_paused { cost::NODE } else { 0 },
            progress: self.stack.progress(version),
            precedence: self.stack.precedence(version),
            is_lost: is_paused || self.stack.state(version) == LOST,
        }
    }

    /// Whether it is vain to go on with a version at such a cost.
    pub(super) fn has_better(&mut self, version: usize, cost: u32) -> bool {
        if self.finished.is_some_and(|root| self.forest.part(root).cost <= cost) {
            return true;
        }
        let own = Standing { cost, is_lost: false, ..self.standing(version) };
        (0..self.stack.heads.len()).any(|other| {
            other != version
                && self.stack.heads[other].status == Status::Active
                && self.stack.at(other) >= self.stack.at(version)
                && match own.compare(self.standing(other)) {
                    Better::TakeRight => true,
                    Better::Right => self.stack.can_merge(other, version),
                    _ => false,
                }
        })
    }

    /// Removes what cannot go on or is much worse than another, and joins what has met; the best goes on behind its mistake if all
    /// have one. What the best weighs that has none just now.
    pub(super) fn condense(&mut self) -> Result<u32, Stuck> {
        let mut least = u32::MAX;
        if let [head] = &self.stack.heads[..]
            && head.status == Status::Active
            && self.finished.is_none()
        {
            return Ok(least);
        }
        let mut this = 0;
        'all: while this < self.stack.heads.len() {
            if self.stack.heads[this].status == Status::Halted {
                self.stack.heads.remove(this);
                continue;
            }
            let standing = self.standing(this);
            if !standing.is_lost {
                least = least.min(standing.cost);
            }
            let mut other = 0;
            while other < this {
                match self.standing(other).compare(standing) {
                    Better::TakeLeft => {
                        self.stack.heads.remove(this);
                        continue 'all;
                    }
                    Better::TakeRight => {
                        self.stack.heads.remove(other);
                        this -= 1;
                        continue;
                    }
                    Better::Left | Better::Neither => {
                        if self.stack.merge(other, this, &self.forest) {
                            continue 'all;
                        }
                    }
                    Better::Right => {
                        if self.stack.merge(other, this, &self.forest) {
                            continue 'all;
                        }
                        self.stack.heads.swap(this, other);
                    }
                }
                other += 1;
            }
            this += 1;
        }
        self.stack.heads.truncate(MOST_VERSIONS);
        self.resume(least)
    }

    /// The best version goes on, if it is paused; no other one that is.
    fn resume(&mut self, mut least: u32) -> Result<u32, Stuck> {
        let (mut some_go_on, mut this, mut left) = (false, 0, self.stack.heads.len());
        while this < left {
            if self.stack.heads[this].status != Status::Paused {
                some_go_on = true;
            } else if !some_go_on && self.accepted < MOST_VERSIONS {
                least = self.stack.cost(this);
                some_go_on = true;
                self.stack.heads[this].status = Status::Active;
                let token = *self.forest.part(self.stack.heads[this].token);
                self.mend(this, token)?;
            } else {
                self.stack.heads.remove(this);
                left -= 1;
                continue;
            }
            this += 1;
        }
        Ok(least)
    }
}
