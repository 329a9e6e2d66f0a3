//! Several sources to one.
//!
//! In: what each source says, nearest first. Out: what holds. The rule: the nearest source that says a key decides it whole. A
//! mode (`network`, `filesystem`) that a source says drops modes and lists of farther sources; only `custom` without any list
//! leaves the lists to them, up to the next that says a mode with lists or another mode. Lists without a mode mean `custom`.
//! The workspace belongs to the files and means no mode. `hidden` and `policy` only ever narrow, so they add up; every variable
//! is a key of its own. Not here: which sources there are (`settle.rs`, `profiles.rs`).

use super::{
    ConfigError, Said, Settings, Word, Worded,
    origin::Origin,
    word::{FilesMode, NetworkMode},
};
use crate::diagnose::Mistake;

/// What holds.
pub(super) fn merge(sources: impl IntoIterator<Item = Settings>) -> Settings {
    let mut sum = Settings::default();
    let (mut network_is_closed, mut files_are_closed) = (false, false);
    for mut source in sources {
        if network_is_closed {
            source = without_network(source);
        }
        if files_are_closed {
            source = without_files(source);
        }
        // `custom` asks for lists: where they are not beside it, they are those of a farther source.
        network_is_closed |= says_all(&source.network, NetworkMode::Custom, network_lists(&source).next());
        let shown = file_lists(&source).chain(workspace(&source)).next();
        files_are_closed |= says_all(&source.filesystem, FilesMode::Custom, shown);
        imply(&mut source);
        let (hidden, policy) =
            (added(sum.hidden.take(), source.hidden.take()), added(sum.policy.take(), source.policy.take()));
        sum = sum.or(source);
        (sum.hidden, sum.policy) = (hidden, policy);
    }
    sum
}

/// Whether a mode and its lists are complete, so that nothing farther counts.
fn says_all<T: PartialEq>(mode: &Option<Said<Word<T>>>, custom: T, list: Option<(&str, &Origin)>) -> bool {
    mode.as_ref().is_some_and(|mode| mode.value.0 != custom || list.is_some())
}

/// Of what a source says, that which can only narrow.
pub(super) fn only_narrowing(source: Settings) -> Settings {
    Settings { hidden: source.hidden, policy: source.policy, ..Settings::default() }
}

fn without_network(source: Settings) -> Settings {
    Settings { network: None, allow_domains: None, allow_ports: None, allow_endpoints: None, dns: None, ..source }
}

fn without_files(source: Settings) -> Settings {
    Settings { filesystem: None, allow_read: None, allow_write: None, workspace: None, ..source }
}

/// Lists without a mode mean `custom`.
fn imply(source: &mut Settings) {
    let by = network_lists(source).next().map(|(_, by)| by.clone());
    source.network = source.network.take().or(by.map(|by| Said { value: Word(NetworkMode::Custom), by }));
    let by = file_lists(source).next().map(|(_, by)| by.clone());
    source.filesystem = source.filesystem.take().or(by.map(|by| Said { value: Word(FilesMode::Custom), by }));
}

fn network_lists(source: &Settings) -> impl Iterator<Item = (&'static str, &Origin)> {
    [
        ("allow_domains", source.allow_domains.as_ref().map(|said| &said.by)),
        ("allow_endpoints", source.allow_endpoints.as_ref().map(|said| &said.by)),
        ("allow_ports", source.allow_ports.as_ref().map(|said| &said.by)),
        ("dns", source.dns.as_ref().map(|said| &said.by)),
    ]
    .into_iter()
    .filter_map(|(key, by)| Some((key, by?)))
}

fn file_lists(source: &Settings) -> impl Iterator<Item = (&'static str, &Origin)> {
    [
        ("allow_read", source.allow_read.as_ref().map(|said| &said.by)),
        ("allow_write", source.allow_write.as_ref().map(|said| &said.by)),
    ]
    .into_iter()
    .filter_map(|(key, by)| Some((key, by?)))
}

fn workspace(source: &Settings) -> Option<(&'static str, &Origin)> {
    source.workspace.as_ref().map(|said| ("workspace", &said.by))
}

fn added<T: PartialEq>(nearer: Option<Said<Vec<T>>>, farther: Option<Said<Vec<T>>>) -> Option<Said<Vec<T>>> {
    let (mut nearer, farther) = match (nearer, farther) {
        (Some(nearer), Some(farther)) => (nearer, farther),
        (one, other) => return one.or(other),
    };
    for value in farther.value {
        if !nearer.value.contains(&value) {
            nearer.value.push(value);
        }
    }
    nearer.by = nearer.by.and(farther.by);
    Some(nearer)
}

/// That one source does not contradict itself: destinations stand beside the mode `custom` or none, paths beside any but
/// `none`.
///
/// # Errors
/// With both places.
pub(super) fn check(source: &Settings) -> Result<(), ConfigError> {
    if let Some(mode) = source.network.as_ref().filter(|mode| mode.value.0 != NetworkMode::Custom) {
        let list = network_lists(source).next();
        list.map_or(Ok(()), |list| Err(contradiction("network", mode, list)))?;
    }
    if let Some(mode) = source.filesystem.as_ref().filter(|mode| mode.value.0 == FilesMode::None) {
        let shown = file_lists(source).next().or(workspace(source));
        shown.map_or(Ok(()), |shown| Err(contradiction("filesystem", mode, shown)))?;
    }
    Ok(())
}

fn contradiction<T: Worded>(key: &str, mode: &Said<Word<T>>, (list, at): (&'static str, &Origin)) -> ConfigError {
    let value = mode.value.0.shown();
    match (&mode.by, at) {
        (Origin::File(spot), Origin::File(other)) => {
            let message = format!("`{key} = \"{value}\"` and `{list}` contradict each other");
            let mistake = Mistake::new(spot.span.clone(), message).and(other.span.clone(), "goes with \"custom\"");
            ConfigError::Malformed(spot.malformed(mistake))
        }
        _ => ConfigError::Contradiction {
            mode: format!("{key}={value}"),
            list,
            hint: format!("{list} goes with {key}=custom, and means it by itself: leave one out"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use palisade_spec::Host;
    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    /// One source that says some of the keys; its number is in what it says.
    fn source(number: u64) -> impl Strategy<Value = Settings> {
        fn said<T: Clone>(value: T, says: bool) -> Option<Said<T>> {
            says.then(|| Said::by_caller(value))
        }
        let network = option::of(prop_oneof![
            Just(NetworkMode::None),
            Just(NetworkMode::Loopback),
            Just(NetworkMode::Custom),
            Just(NetworkMode::AllowAll)
        ]);
        let files = option::of(prop_oneof![Just(FilesMode::None), Just(FilesMode::ReadOnly), Just(FilesMode::Custom)]);
        (network, files, vec(any::<bool>(), 10)).prop_map(move |(network, files, says)| Settings {
            time_limit: said(Word(Duration::from_secs(number + 1)), says[0]),
            strict: said(number.is_multiple_of(2), says[1]),
            network: network.map(|mode| Said::by_caller(Word(mode))),
            allow_domains: said(vec![Word(Host::Name(format!("h{number}")))], says[2]),
            dns: said(Vec::new(), says[3]),
            filesystem: files.map(|mode| Said::by_caller(Word(mode))),
            allow_read: said(vec![Word(format!("/r{number}").into())], says[4]),
            allow_write: said(vec![Word(format!("/w{number}").into())], says[5]),
            hidden: said(vec![Word(format!("/h{number}").into()), Word("/both".into())], says[6]),
            policy: said(vec![Word(format!("p{number}"))], says[7]),
            environment: ["A", "B"]
                .into_iter()
                .zip([says[8], says[9]])
                .filter_map(|(name, says)| Some((name.to_owned(), said(Word(number.to_string()), says)?)))
                .collect(),
            ..Settings::default()
        })
    }

    fn sources() -> impl Strategy<Value = Vec<Settings>> {
        (source(0), source(1), source(2), source(3)).prop_map(|(a, b, c, d)| vec![a, b, c, d])
    }

    /// Values of the first that says the key.
    fn nearest<T: Clone>(all: &[Settings], key: impl Fn(&Settings) -> &Option<Said<T>>) -> Option<T> {
        all.iter().find_map(|source| key(source).as_ref().map(|said| said.value.clone()))
    }

    proptest! {
        #[test]
        fn the_nearest_source_that_says_a_key_decides_it(all in sources()) {
            let one = merge(all.clone());
            let value = |said: &Option<Said<Word<Duration>>>| said.as_ref().map(|said| said.value.clone());
            prop_assert_eq!(value(&one.time_limit), nearest(&all, |source| &source.time_limit));
            prop_assert_eq!(one.strict.as_ref().map(|said| said.value), nearest(&all, |source| &source.strict));
            for name in ["A", "B"] {
                let wanted = all.iter().find_map(|source| source.environment.get(name));
                prop_assert_eq!(one.environment.get(name), wanted);
            }
        }

        #[test]
        fn lists_hold_up_to_the_nearest_source_that_says_a_mode(all in sources()) {
            let one = merge(all.clone());
            // Sources up to and with the first that says a mode: what lies behind is not asked.
            let asked = |says: &dyn Fn(&Settings) -> bool| {
                let count = all.iter().position(says).map_or(all.len(), |at| at + 1);
                all[..count].to_vec()
            };
            let net = asked(&|source| match source.network.as_ref().map(|said| said.value.0) {
                Some(NetworkMode::Custom) => source.allow_domains.is_some() || source.dns.is_some(),
                mode => mode.is_some(),
            });
            prop_assert_eq!(one.allow_domains.map(|said| said.value), nearest(&net, |source| &source.allow_domains));
            prop_assert_eq!(one.dns.map(|said| said.value), nearest(&net, |source| &source.dns));
            let mode = net.iter().find_map(|source| match (&source.network, &source.allow_domains, &source.dns) {
                (Some(said), _, _) => Some(said.value.0),
                (None, None, None) => None,
                (None, _, _) => Some(NetworkMode::Custom),
            });
            prop_assert_eq!(one.network.map(|said| said.value.0), mode);
            let files = asked(&|source| match source.filesystem.as_ref().map(|said| said.value.0) {
                Some(FilesMode::Custom) => source.allow_read.is_some() || source.allow_write.is_some(),
                mode => mode.is_some(),
            });
            prop_assert_eq!(one.allow_read.map(|said| said.value), nearest(&files, |source| &source.allow_read));
            prop_assert_eq!(one.allow_write.map(|said| said.value), nearest(&files, |source| &source.allow_write));
        }

        #[test]
        fn what_only_narrows_adds_up(all in sources()) {
            let one = merge(all.clone());
            let hidden: Vec<_> = one.hidden.iter().flat_map(|said| &said.value).collect();
            let policy: Vec<_> = one.policy.iter().flat_map(|said| &said.value).collect();
            for source in &all {
                prop_assert!(source.hidden.iter().flat_map(|said| &said.value).all(|path| hidden.contains(&path)));
                prop_assert!(source.policy.iter().flat_map(|said| &said.value).all(|id| policy.contains(&id)));
            }
            let unique: std::collections::HashSet<_> = hidden.iter().map(|path| &path.0).collect();
            prop_assert_eq!(unique.len(), hidden.len());
        }
    }
}
