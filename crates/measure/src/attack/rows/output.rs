//! Side doors: what a program leaves for whoever takes its files.
//!
//! Outside, its files are taken by `cp`, which expects nothing; inside, by palisade (`--output`).

use std::fs;

use palisade_spec::Guarantee;

use super::{Staged, row, text};
use crate::attack::{
    Attack, Group,
    ground::{Ground, secret},
    scene::{Collect, Collector, Scene},
};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[Attack] = &[
    on("link-as-output", "leaves a link to a file of the host where its result is expected", "the file was taken through it", |ground| link(ground, "result")),
    on("directory-link-as-output", "leaves a link to a directory of the host where its results are expected", "a file was taken through it", |ground| link(ground, "results/secret")),
    on("pipe-as-output", "leaves a FIFO where its result is expected", "whoever takes it waits for ever", pipe),
];

const fn on(name: &'static str, about: &'static str, effect: &'static str, stage: fn(&Ground) -> Staged) -> Attack {
    row(Group::SideDoors, Guarantee::Files, name, about, effect, stage)
}

/// A link of the first part of `name`, to the file or to its directory.
fn link(ground: &Ground, name: &'static str) -> Staged {
    let secret = secret();
    let file = ground.file("secret", &secret)?;
    let (first, target) = match name.split_once('/') {
        Some((first, _)) => (first, file.parent().unwrap_or(&file)),
        None => (name, &*file),
    };
    let directory = ground.fresh("taken")?;
    let mut scene = Scene::of(["leave-link", first, &text(target)]);
    scene.collect = Some(Collect { name, directory: directory.clone() });
    Ok(scene.after(move |_| {
        let taken =
            files(&directory).into_iter().find(|path| fs::read_to_string(path).is_ok_and(|text| text == secret))?;
        Some(format!("{} has what is in the host's file", taken.display()))
    }))
}

/// All files below a directory.
fn files(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn pipe(ground: &Ground) -> Staged {
    let directory = ground.fresh("taken")?;
    let mut scene = Scene::of(["leave-pipe", "result"]);
    scene.collect = Some(Collect { name: "result", directory });
    Ok(scene.after(|told| (told.collector == Collector::Hangs).then(|| "`cp` of it has not come to an end".to_owned())))
}
