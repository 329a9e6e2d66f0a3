//! The image that containers are made of: links and empty directories. Everything else is mounted.
//!
//! It is made when it is first needed, and kept. Not here: images with something in them (`crate::images`).

use std::{fmt::Write as _, io};

use sha2::{Digest, Sha256};

use super::{
    client::{Client, Trouble},
    tree::Skeleton,
};

/// The label of such images; its value says what is in one.
pub(crate) const LABEL: &str = "palisade.base";

/// The id of the image with this skeleton.
pub(super) fn image(client: &Client, skeleton: &Skeleton) -> Result<String, Trouble> {
    let tree = archive(skeleton)?;
    let digest = Sha256::digest(&tree).iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let label = format!("{LABEL}={digest}");
    let found = || client.images(&label).map(|mut all| all.pop().map(|image| image.id));
    if let Some(id) = found()? {
        return Ok(id);
    }
    client.import(&format!("palisade-base:{digest}"), &[format!("LABEL {label}")], Box::new(io::Cursor::new(tree)))?;
    found()?.ok_or_else(|| Trouble::Nonsense("it took in an image, and has none".to_owned()))
}

/// The same bytes for the same skeleton.
fn archive(skeleton: &Skeleton) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let header = |kind, mode| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(0);
        header
    };
    let relative = |path: &std::path::Path| path.strip_prefix("/").unwrap_or(path).to_owned();
    for directory in &skeleton.directories {
        archive.append_data(&mut header(tar::EntryType::Directory, 0o755), relative(directory), io::empty())?;
    }
    for (at, target) in &skeleton.links {
        archive.append_link(&mut header(tar::EntryType::Symlink, 0o777), relative(at), target)?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_image_has_its_directories_and_links_and_nothing_else() {
        let links = [("/bin".into(), "usr/bin".into()), ("/etc/os-release".into(), "../usr/lib/os-release".into())];
        let skeleton = Skeleton { links: links.into(), directories: ["/work".into()].into() };
        let bytes = archive(&skeleton).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            (
                entry.path().unwrap().into_owned(),
                header.entry_type(),
                header.link_name().unwrap().map(|to| to.into_owned()),
            )
        });
        assert_eq!(
            entries.collect::<Vec<_>>(),
            [
                ("work".into(), tar::EntryType::Directory, None),
                ("bin".into(), tar::EntryType::Symlink, Some("usr/bin".into())),
                ("etc/os-release".into(), tar::EntryType::Symlink, Some("../usr/lib/os-release".into())),
            ]
        );
    }
}
