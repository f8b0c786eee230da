//! The power cut shown to be one: what was not synced is gone, what was synced is there.

use crate::harness::powercut::{Disk, Unavailable};
use std::fs::{self, File, OpenOptions};
use std::io::Write;

#[test]
fn a_power_cut_takes_what_was_not_synced_and_nothing_else() {
    let Some(mut disk) = Disk::for_test(64) else { return };
    let synced = disk.path().join("synced");
    fs::write(&synced, "kept").unwrap();
    File::open(&synced).unwrap().sync_all().unwrap();
    File::open(disk.path()).unwrap().sync_all().unwrap();

    let lost = disk.path().join("lost");
    fs::write(&lost, "gone").unwrap();
    OpenOptions::new().append(true).open(&synced).unwrap().write_all(b" and more").unwrap();
    assert_eq!(fs::read_to_string(&synced).unwrap(), "kept and more", "before the cut everything is there");

    disk.cut();
    assert!(fs::write(disk.path().join("late"), "x").is_err(), "a disk without power takes nothing");
    disk.restore();

    assert_eq!(fs::read_to_string(&synced).unwrap(), "kept");
    assert!(!lost.exists());
    fs::write(&lost, "again").unwrap();
}

#[test]
fn a_disk_leaves_nothing_behind() {
    let Some(disk) = Disk::for_test(64) else { return };
    let path = disk.path();
    let mounts = || fs::read_to_string("/proc/mounts").unwrap();
    assert!(mounts().contains(path.to_str().unwrap()));
    drop(disk);
    assert!(!mounts().contains(path.to_str().unwrap()));
    assert!(!path.parent().unwrap().exists());
}

#[test]
fn a_machine_that_cannot_says_why() {
    assert_eq!(Unavailable("only root may mount".to_owned()).to_string(), "only root may mount");
}
