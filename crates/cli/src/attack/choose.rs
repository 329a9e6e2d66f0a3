//! Which attacks and which walls, by their names.

use palisade::{
    nearest, offers, plan,
    spec::{Backend, Program, Request},
};
use palisade_measure::attack::{Attack, Group, attacks as all};
use serde::Serialize;

use crate::request::Refused;

/// Name and version of the form in which the list is printed as JSON.
const SCHEMA: &str = "palisade.attack-list/1";

/// The attacks that are named, or whose groups are; all if nothing is.
pub(super) fn attacks(names: &[String], groups: &[String]) -> Result<Vec<&'static Attack>, Refused> {
    for name in names {
        known("attack", name, all().map(|attack| attack.name), "`palisade attack --list` has all of them")?;
    }
    for group in groups {
        known("group of attacks", group, Group::ALL.map(Group::name), "`palisade attack --list` has all of them")?;
    }
    let wanted = |attack: &&Attack| {
        let (by_name, by_group) =
            (names.iter().any(|name| name == attack.name), groups.iter().any(|group| group == attack.group.name()));
        by_name || by_group || names.is_empty() && groups.is_empty()
    };
    Ok(all().filter(wanted).collect())
}

/// The walls that are named.
pub(super) fn backends(names: &[String]) -> Result<Vec<Backend>, Refused> {
    if names.is_empty() {
        return Ok(vec![Backend::Native]);
    }
    let hint = "`palisade backends` has all of them, and `all` is each of them";
    let offered = || -> Result<Vec<Backend>, Refused> {
        let offers = offers().map_err(|error| Refused { what: error.to_string(), hint: "" })?;
        Ok(offers.into_iter().map(|offer| offer.backend).collect())
    };
    let mut chosen = Vec::new();
    for name in names {
        if name == "all" {
            chosen.extend(offered()?);
            continue;
        }
        known("backend", name, Backend::NAMES, hint)?;
        chosen.push(match name.parse() {
            Ok(Backend::Auto) => automatic()?,
            Ok(backend) => backend,
            Err(error) => return Err(Refused { what: format!("{error}"), hint }),
        });
    }
    let mut once = Vec::new();
    chosen.retain(|backend| {
        !once.contains(backend) && {
            once.push(*backend);
            true
        }
    });
    Ok(chosen)
}

/// The wall that a run would have that names none.
fn automatic() -> Result<Backend, Refused> {
    let planned = plan(&Request::new(Program::Command("true".to_owned())));
    Ok(planned.map_err(|error| Refused { what: error.to_string(), hint: "" })?.backend)
}

fn known(
    what: &str,
    name: &str,
    names: impl IntoIterator<Item = &'static str>,
    hint: &'static str,
) -> Result<(), Refused> {
    let names: Vec<&str> = names.into_iter().collect();
    if names.contains(&name) {
        return Ok(());
    }
    let near = nearest(name, names.iter().copied()).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
    Err(Refused { what: format!("there is no {what} `{name}`{near}"), hint })
}

/// The attacks as lines, group by group.
pub(super) fn list(attacks: &[&Attack]) -> String {
    let wide = attacks.iter().map(|attack| attack.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for group in Group::ALL {
        let of_group: Vec<_> = attacks.iter().filter(|attack| attack.group == group).collect();
        if !of_group.is_empty() {
            text.push_str(&format!("{}{group}\n", if text.is_empty() { "" } else { "\n" }));
        }
        for attack in of_group {
            text.push_str(&format!("  {:wide$}  {:12}  {}\n", attack.name, attack.guarantee.to_string(), attack.about));
        }
    }
    text
}

/// The list as JSON.
#[derive(Serialize)]
pub(super) struct Listed {
    schema: &'static str,
    attacks: Vec<One>,
}

#[derive(Serialize)]
struct One {
    name: &'static str,
    group: Group,
    guarantee: palisade::spec::Guarantee,
    about: &'static str,
    effect: &'static str,
}

impl Listed {
    pub(super) fn of(attacks: &[&Attack]) -> Self {
        let one = |attack: &&Attack| One {
            name: attack.name,
            group: attack.group,
            guarantee: attack.guarantee,
            about: attack.about,
            effect: attack.effect,
        };
        Self { schema: SCHEMA, attacks: attacks.iter().map(one).collect() }
    }
}
