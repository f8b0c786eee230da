//! The seal over the queue's files: written when an index was closed, broken before it is opened again.
//!
//! A backend may panic, hang or bring back old entries when its files are not those that it left. So files are opened only when a
//! seal names each of them with its digest. A run that was killed leaves no seal, and its index is not opened: the outboxes are
//! read in full after such a run anyway. The broken seal is made durable first, else a power cut could bring back a sealed index
//! that lacks what was put since.
//!
//! Layout: `queue/seal` and one folder per generation of an index, `queue/<backend>-<boot>/`. Generations have names of their own
//! because an abandoned backend may still write by path.

use ring::digest::{Context, SHA256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const SEAL: &str = "seal";
const DRAFT: &str = "seal.new";
const HEAD: &str = "bodega queue seal 1";
/// A seal lists a handful of files.
const MAX_SEAL_BYTES: u64 = 1024 * 1024;
/// Damaged folders that are kept to be looked at.
const KEPT_BAD: usize = 3;

/// What stands in the queue's folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The generation of this name, as it was closed.
    Sealed(String),
    /// No folder, or an empty one.
    Nothing,
    /// Files without a seal, or with the seal of another backend.
    Unsealed,
    /// A seal that the files do not match.
    Damaged(String),
}

/// The folder name of a generation.
pub(super) fn generation(backend: &str, boot: u64) -> String {
    format!("{backend}-{boot}")
}

fn is_generation(name: &str) -> bool {
    let number = name.split_once('-').map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Seals a closed generation.
pub(super) fn write(queue: &Path, generation: &str) -> io::Result<()> {
    let text = format!("{HEAD}\n{generation}\n{}", describe(&queue.join(generation))?);
    let draft = queue.join(DRAFT);
    let mut file = File::create(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, queue.join(SEAL))?;
    sync(queue)
}

/// Looks at the folder and breaks the seal.
pub(super) fn take(queue: &Path, backend: &str) -> io::Result<Found> {
    let path = queue.join(SEAL);
    let mut text = String::new();
    match File::open(&path) {
        Ok(file) => {
            let read = file.take(MAX_SEAL_BYTES).read_to_string(&mut text);
            fs::remove_file(&path)?;
            sync(queue)?;
            if let Err(error) = read {
                return Ok(Found::Damaged(format!("the seal cannot be read: {error}")));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let nothing = match fs::read_dir(queue) {
                Ok(mut entries) => entries.next().is_none(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => true,
                Err(error) => return Err(error),
            };
            return Ok(if nothing { Found::Nothing } else { Found::Unsealed });
        }
        Err(error) => return Err(error),
    }
    let damaged = |why: &str| Ok(Found::Damaged(why.to_owned()));
    let Some((HEAD, rest)) = text.split_once('\n') else {
        return damaged("the seal has another form");
    };
    let Some((generation, listed)) = rest.split_once('\n').filter(|(name, _)| is_generation(name)) else {
        return damaged("the seal names no index");
    };
    if generation.split_once('-').map(|(name, _)| name) != Some(backend) {
        return Ok(Found::Unsealed);
    }
    match describe(&queue.join(generation)) {
        Ok(there) if there == listed => Ok(Found::Sealed(generation.to_owned())),
        Ok(_) => damaged("the files are not those that were sealed"),
        Err(error) => Ok(Found::Damaged(format!("the sealed files cannot be read: {error}"))),
    }
}

/// Removes what an earlier run left, apart from `keep`. Only what this module names is touched.
pub(super) fn clear(queue: &Path, keep: Option<&str>) -> io::Result<()> {
    let entries = match fs::read_dir(queue) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name == SEAL || name == DRAFT {
            fs::remove_file(entry.path())?;
        } else if is_generation(name) && Some(name) != keep {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Renames the folder to `queue.bad-<unix ms>` and removes the oldest of such folders.
pub(super) fn move_aside(queue: &Path, unix_ms: i64) -> io::Result<()> {
    let Some(name) = queue.file_name().and_then(|name| name.to_str()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the queue's folder has no name"));
    };
    let prefix = format!("{name}.bad-");
    let mut stamp = unix_ms;
    let target = loop {
        let target = queue.with_file_name(format!("{prefix}{stamp}"));
        if fs::symlink_metadata(&target).is_err() {
            break target;
        }
        stamp = stamp.saturating_add(1);
    };
    match fs::rename(queue, target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    prune(queue, &prefix);
    Ok(())
}

/// That an old folder stays is no reason to fail.
fn prune(queue: &Path, prefix: &str) {
    let Some(Ok(entries)) = queue.parent().map(fs::read_dir) else { return };
    let mut bad: Vec<(i64, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let stamp = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((stamp, entry.path()))
        })
        .collect();
    bad.sort_unstable();
    let surplus = bad.len().saturating_sub(KEPT_BAD);
    for (_, path) in bad.into_iter().take(surplus) {
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if let Err(error) = removed {
            tracing::warn!(path = %path.display(), %error, "an old queue folder could not be removed");
        }
    }
}

/// One line per file below the folder: length, digest, path.
fn describe(folder: &Path) -> io::Result<String> {
    let mut lines = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
                continue;
            }
            let (length, digest) = digest(&entry.path())?;
            let path = entry.path();
            let name = path.strip_prefix(folder).unwrap_or(&path);
            lines.push(format!("{length} {digest} {}\n", name.display()));
        }
    }
    lines.sort_unstable();
    Ok(lines.concat())
}

fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 64 * 1024];
    let mut length: u64 = 0;
    loop {
        let count = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        context.update(bytes);
        length = length.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
    Ok((length, data_encoding::HEXLOWER.encode(context.finish().as_ref())))
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let queue = root.path().join("queue");
        fs::create_dir_all(queue.join("sled-7/blobs")).unwrap();
        fs::write(queue.join("sled-7/db"), b"entries").unwrap();
        write(&queue, "sled-7").unwrap();
        (root, queue)
    }

    #[test]
    fn a_seal_holds_once() {
        let (_root, queue) = sealed();
        assert_eq!(take(&queue, "sled").unwrap(), Found::Sealed("sled-7".to_owned()));
        assert_eq!(take(&queue, "sled").unwrap(), Found::Unsealed);
    }

    #[test]
    fn a_seal_of_another_backend_does_not_count() {
        let (_root, queue) = sealed();
        assert_eq!(take(&queue, "sqlite").unwrap(), Found::Unsealed);
    }

    #[test]
    fn any_changed_missing_or_added_file_breaks_the_seal() {
        let changes: [fn(&Path); 4] = [
            |folder| fs::write(folder.join("db"), b"Entries").unwrap(),
            |folder| fs::remove_file(folder.join("db")).unwrap(),
            |folder| fs::write(folder.join("blobs/1"), b"").unwrap(),
            |folder| fs::remove_dir_all(folder).unwrap(),
        ];
        for change in changes {
            let (_root, queue) = sealed();
            change(&queue.join("sled-7"));
            assert!(matches!(take(&queue, "sled").unwrap(), Found::Damaged(_)));
        }
    }

    #[test]
    fn clearing_leaves_what_is_not_ours() {
        let (_root, queue) = sealed();
        fs::write(queue.join("notes.txt"), b"mine").unwrap();
        fs::create_dir(queue.join("photos")).unwrap();
        clear(&queue, None).unwrap();
        let mut left: Vec<_> = fs::read_dir(&queue).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["notes.txt", "photos"]);
    }

    #[test]
    fn three_damaged_folders_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let queue = root.path().join("queue");
        for _ in 0..5 {
            fs::create_dir(&queue).unwrap();
            move_aside(&queue, 100).unwrap();
        }
        let mut left: Vec<_> = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left.len(), 3);
        assert_eq!(left.last().unwrap(), "queue.bad-103");
    }
}
