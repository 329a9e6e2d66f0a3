//! Where a wall answers otherwise than palisade's own, and why. Everything that is not here is equal.

use palisade_testkit::Person;

/// One difference.
pub(crate) struct Difference {
    /// Of which wall.
    pub(crate) backend: &'static str,
    /// Whose; `None` for everybody's.
    pub(crate) person: Option<Person>,
    /// Name of the request.
    pub(crate) request: &'static str,
    /// How the outcome begins.
    pub(crate) outcome: &'static str,
    /// Why.
    pub(crate) because: &'static str,
}

impl Difference {
    pub(crate) fn is_of(&self, backend: &str, person: Person, request: &str) -> bool {
        (self.backend, self.request) == (backend, request) && self.person.is_none_or(|whose| whose == person)
    }
}

/// All of them.
pub(crate) const DIFFERENCES: &[Difference] = &[];
