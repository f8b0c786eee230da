//! The data folder: owned by one process, and either the demo's or a real one's (D25).

use crate::base::error::{Fault, Kind};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

/// Marks a folder as the demo's.
const DEMO_MARK: &str = "demo";

/// Takes the folder for this process, making it when there is none. The demo and a real store never share one.
pub fn lock(folder: &Path, is_demo: bool) -> Result<File, Fault> {
    let failed = |error: std::io::Error| {
        Fault::new(Kind::Broken, "data_folder", format!("the data folder {} cannot be used: {error}", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let lock_path = folder.join("lock");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(lock_path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let detail = format!("another bodega process uses the data folder {}", folder.display());
            return Err(Fault::new(Kind::Conflict, "data_folder_in_use", detail));
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let (mark, control) = (folder.join(DEMO_MARK), folder.join("control.db"));
    let is_marked = mark.exists();
    if is_demo && !is_marked {
        if control.exists() {
            let detail = format!("{} holds a real store: the demo does not touch it", folder.display());
            return Err(Fault::new(Kind::Conflict, "not_a_demo_folder", detail));
        }
        File::create(&mark).and_then(|file| file.sync_all()).map_err(failed)?;
    }
    if !is_demo && is_marked {
        let detail = format!("{} is marked as the demo's: `serve` does not touch it", folder.display());
        return Err(Fault::new(Kind::Conflict, "demo_folder", detail));
    }
    Ok(lock)
}
