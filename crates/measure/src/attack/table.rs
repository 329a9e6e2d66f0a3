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

impl Counts {
    /// How many attacks were really made.
    #[must_use]
    pub const fn tried(&self) -> usize {
        self.vulnerable + self.blocked + self.isolated
    }
}

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

    /// The reasons of walls that refused everything, if nothing at all was tried for them.
    #[must_use]
    pub fn refused_all(&self) -> Option<Vec<&str>> {
        let tried = self.backends.iter().any(|column| column.counts.tried() > 0);
        let cells = self.rows.iter().flat_map(|row| &row.cells);
        let mut reasons: Vec<&str> = Vec::new();
        for cell in cells.filter(|cell| cell.result == Verdict::Refused) {
            if !reasons.contains(&cell.evidence.as_str()) {
                reasons.push(&cell.evidence);
            }
        }
        (!tried && !reasons.is_empty()).then_some(reasons)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::{attacks, text};

    fn table(promises: Vec<Guarantee>) -> Table {
        let rows = attacks().take(3).zip([Verdict::Vulnerable, Verdict::Blocked, Verdict::Inconclusive]);
        let row = |(attack, verdict)| Row {
            attack,
            outside: Cell::new(Verdict::Vulnerable, "out"),
            cells: vec![Cell::new(verdict, "in")],
        };
        let column = Column { backend: Backend::Native, promises, counts: Counts::default(), broken: Vec::new() };
        let mut table =
            Table { schema: SCHEMA, uid: 0, kernel: "0".into(), backends: vec![column], rows: rows.map(row).collect() };
        table.count();
        table
    }

    #[test]
    fn only_a_promise_can_be_broken() {
        assert!(table(vec![Guarantee::Files]).is_broken());
        assert!(!table(vec![Guarantee::Network]).is_broken());
        let counts = table(Vec::new()).backends[0].counts;
        assert_eq!(counts.tried(), 2);
        assert_eq!(counts, Counts { vulnerable: 1, blocked: 1, inconclusive: 1, ..Counts::default() });
    }

    #[test]
    fn a_broken_promise_is_marked_and_what_was_not_tried_is_not_counted() {
        let text = text(&table(vec![Guarantee::Files]), &|_, word| word);
        assert!(text.contains("  delete-config  files      vulnerable!\n"), "{text}");
        assert!(text.lines().any(|line| line.starts_with("vulnerable") && line.ends_with(" 1 of 2")), "{text}");
        assert!(
            text.contains("\nnative is vulnerable to\n  delete-config: deletes ~/.config with all that is in it: in\n")
        );
        assert!(text.contains("\ninconclusive\n  read-ssh-key, native: in\n"), "{text}");
    }

    #[test]
    fn evidence_is_cut_at_a_sign_and_not_within_one() {
        let cell = Cell::new(Verdict::Blocked, "ü".repeat(EVIDENCE + 1));
        assert_eq!(cell.evidence.chars().count(), EVIDENCE + 1);
        assert!(cell.evidence.ends_with('…'));
    }

    #[test]
    fn a_row_as_json_has_its_attack_beside_its_cells() {
        let row = serde_json::to_value(&table(Vec::new()).rows[0]).unwrap();
        assert_eq!((&row["name"], &row["cells"][0]["result"]), (&"delete-config".into(), &"vulnerable".into()));
    }
}
