//! Drivers: programs in the language's own words that hold an interactive session, or by which an interpreter waits.
//!
//! In: the name that a definition gives. Out: the text, from palisade itself or from the directory of the user's own
//! definition. What is said to them and by them: `crate::session`, `crate::supervise::zygote`. Not here: starting one (`step`).

use std::borrow::Cow;
use std::fs;

use super::Language;
use super::error::LanguageError;

const SHIPPED: [(&str, &str); 4] = [
    ("python.py", include_str!("drivers/python.py")),
    ("javascript.js", include_str!("drivers/javascript.js")),
    ("sitecustomize.py", include_str!("zygotes/sitecustomize.py")),
    ("zygote.cjs", include_str!("zygotes/zygote.cjs")),
];

impl Language {
    /// The text of the driver of this name.
    pub(super) fn driver(&self, name: &str) -> Result<Cow<'static, str>, LanguageError> {
        let own = self.home.as_ref().map(|home| home.join(name)).filter(|file| file.exists());
        if let Some(path) = own {
            let text = fs::read_to_string(&path);
            return text.map(Cow::Owned).map_err(|source| LanguageError::Unreadable { path, source });
        }
        let shipped = SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| Cow::Borrowed(*text));
        shipped.ok_or_else(|| LanguageError::Unreadable {
            path: self.home.clone().unwrap_or_default().join(name),
            source: std::io::Error::from(std::io::ErrorKind::NotFound),
        })
    }
}
