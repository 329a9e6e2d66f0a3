//! The table as data: the form of `palisade attack --json`.

use std::fmt;

use palisade_spec::{Backend, Guarantee};
use serde::{Serialize, Serializer};

use super::{Attack, Group};

/// Name and version of the table's form. Fields are added without a new version.
pub const SCHEMA: &str = "palisade.attacks/1";

/// What came of every attack, everywhere.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The user id that the attacks were made with.
    pub uid: u32,
    /// The kernel's release.
    pub kernel: String,
    /// The walls, in the order of the cells of each row.
    pub backends: Vec<Column>,
    /// The attacks, group by group.
    pub rows: Vec<Row>,
}

/// One wall.
#[derive(Clone, Debug, Serialize)]
pub struct Column {
    /// Its name.
    pub backend: Backend,
    /// What it says that it holds on this host, in full.
    pub promises: Vec<Guarantee>,
    /// How many of its cells are of each kind.
    #[serde(flatten)]
    pub counts: Counts,
    /// The attacks that succeeded although it promises what they are on.
    pub broken: Vec<&'static str>,
}

/// How many cells are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// [`Verdict::Vulnerable`].
    pub vulnerable: usize,
    /// [`Verdict::Blocked`].
    pub blocked: usize,
    /// [`Verdict::Isolated`].
    pub isolated: usize,
    /// [`Verdict::Inconclusive`].
    pub inconclusive: usize,
    /// [`Verdict::Refused`].
    pub refused: usize,
}

/// One attack.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// See [`Attack`].
    #[serde(flatten, serialize_with = "attack")]
    pub attack: &'static Attack,
    /// What came of it outside, unconfined: `Vulnerable` if it succeeded, as it has to.
    pub outside: Cell,
    /// What came of it inside, one for each of [`Table::backends`].
    pub cells: Vec<Cell>,
}

/// What came of one attack at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// In a word.
    pub result: Verdict,
    /// Where that is known from.
    pub evidence: String,
}

/// What came of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The effect is there, outside.
    Vulnerable,
    /// The attacker got an error, or was ended.
    Blocked,
    /// The attacker believes that it succeeded; outside nothing has changed.
    Isolated,
    /// It could not be tried here, or does not succeed outside either.
    Inconclusive,
    /// The wall cannot be had here, or does not hold the policy, and says so before it runs anything.
    Refused,
}

impl Verdict {
    /// All of them, in the order of the legend.
    pub const ALL: [Self; 5] = [Self::Vulnerable, Self::Blocked, Self::Isolated, Self::Inconclusive, Self::Refused];

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vulnerable => "vulnerable",
            Self::Blocked => "blocked",
            Self::Isolated => "isolated",
            Self::Inconclusive => "inconclusive",
            Self::Refused => "refused",
        }
    }

    /// What it means.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Vulnerable => "the effect is there, outside",
            Self::Blocked => "the attacker got an error, or was ended",
            Self::Isolated => "the attacker believes that it succeeded; outside nothing has changed",
            Self::Inconclusive => "it does not succeed outside either, or could not be tried",
            Self::Refused => "the backend cannot be had here, or does not hold the policy, and says so",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Signs of an evidence that are kept. What is longer is somebody's file.
const EVIDENCE: usize = 400;

impl Cell {
    pub(crate) fn new(result: Verdict, evidence: impl Into<String>) -> Self {
        let mut evidence = evidence.into();
        if let Some((at, _)) = evidence.char_indices().nth(EVIDENCE) {
            evidence.truncate(at);
            evidence.push('…');
        }
        Self { result, evidence }
    }
}

impl Table {
    /// Whether an attack succeeded that its wall promises to stop.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.backends.iter().any(|column| !column.broken.is_empty())
    }

    /// The rows of a group.
    pub fn of(&self, group: Group) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.attack.group == group)
    }

    /// Counts the cells of each column.
    pub(crate) fn count(&mut self) {
        for (index, column) in self.backends.iter_mut().enumerate() {
            let cells = || self.rows.iter().filter_map(|row| Some((row, row.cells.get(index)?)));
            let of = |verdict| cells().filter(|(_, cell)| cell.result == verdict).count();
            column.counts = Counts {
                vulnerable: of(Verdict::Vulnerable),
                blocked: of(Verdict::Blocked),
                isolated: of(Verdict::Isolated),
                inconclusive: of(Verdict::Inconclusive),
                refused: of(Verdict::Refused),
            };
            let broken = cells().filter(|(row, cell)| {
                cell.result == Verdict::Vulnerable && column.promises.contains(&row.attack.guarantee)
            });
            column.broken = broken.map(|(row, _)| row.attack.name).collect();
        }
    }
}

#[derive(Serialize)]
struct Described {
    name: &'static str,
    group: Group,
    guarantee: Guarantee,
    about: &'static str,
    effect: &'static str,
}

fn attack<S: Serializer>(attack: &Attack, serializer: S) -> Result<S::Ok, S::Error> {
    let Attack { name, group, guarantee, about, effect, .. } = *attack;
    Described { name, group, guarantee, about, effect }.serialize(serializer)
}
