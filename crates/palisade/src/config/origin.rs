//! Where a value comes from.

use std::{fmt, ops::Range, path::PathBuf, sync::Arc};

use crate::diagnose::{Malformed, Mistake};

/// A value and who said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<T> {
    /// What.
    pub value: T,
    /// By whom.
    pub by: Origin,
}

impl<T> Said<T> {
    /// Said on the command line, or by a caller of the library.
    pub fn by_caller(value: T) -> Self {
        Self { value, by: Origin::CommandLine }
    }
}

/// Who said something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// An option, or a caller of the library.
    CommandLine,
    /// An environment by this name.
    Environment(String),
    /// A file.
    File(Spot),
    /// A profile that comes with palisade.
    Shipped(&'static str),
    /// More than one, whose lists add up.
    Several(Vec<Self>),
    /// A ceiling or a named policy, which left less of what somebody said.
    Bound(String),
    /// Nobody.
    BuiltIn,
}

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Which file.
    pub(super) text: Arc<Text>,
    /// Bytes of the value.
    pub(super) span: Range<usize>,
    /// Within which profile, if any.
    pub(super) profile: Option<Arc<str>>,
}

/// A configuration file that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// Where it is: absolute.
    pub path: PathBuf,
    /// How it is called in messages.
    pub name: String,
    /// Whose it is.
    pub rank: Rank,
    /// What it says.
    pub content: String,
}

/// Whose a configuration file is, nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// The project's: `palisade.toml` or `simple.toml`, possibly a stranger's.
    Project,
    /// The user's own.
    User,
    /// The operator's.
    System,
}

impl Spot {
    /// A mistake at this place, and nothing else, as an error.
    pub(super) fn malformed(&self, mistake: Mistake) -> Malformed {
        Malformed::new(&self.text.name, &self.text.content, vec![mistake])
    }

    fn line(&self) -> usize {
        self.text.content.get(..self.span.start).map_or(1, |before| before.matches('\n').count() + 1)
    }
}

impl Origin {
    /// Whether the project's file says it.
    #[must_use]
    pub fn is_project(&self) -> bool {
        match self {
            Self::File(spot) => spot.text.rank == Rank::Project,
            Self::Several(all) => all.iter().any(Self::is_project),
            _ => false,
        }
    }

    /// This one and another, each once.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        let parts = |origin| if let Self::Several(all) = origin { all } else { vec![origin] };
        let mut all = parts(self);
        for one in parts(other) {
            if !all.contains(&one) {
                all.push(one);
            }
        }
        if all.len() == 1 { all.remove(0) } else { Self::Several(all) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("command line"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(spot) => {
                write!(f, "{}:{}", spot.text.name, spot.line())?;
                spot.profile.as_ref().map_or(Ok(()), |profile| write!(f, ", profile {profile}"))
            }
            Self::Shipped(profile) => write!(f, "profile {profile} (shipped)"),
            Self::Several(all) => f.write_str(&all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
            Self::Bound(name) => f.write_str(name),
            Self::BuiltIn => f.write_str("built in"),
        }
    }
}

impl serde::Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
