//! A disk whose power can be cut: an ext4 image of its own that is shut down without writing its journal, and mounted again.
//!
//! Killing a process proves nothing about fsync, because the kernel keeps what was written. After `EXT4_IOC_SHUTDOWN` with
//! `NOLOGFLUSH` the page cache and the running journal transaction are gone, as after a loss of power; only what was synced is left.
//! What a drive itself may lose or reorder in its own cache is not modelled.

use crate::harness::skipped;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// `_IOR('X', 125, __u32)` of linux/ext4.h, and its flag to drop the journal's running transaction.
const SHUTDOWN: &str = "0x8004587d";
const NO_LOG_FLUSH: u32 = 2;

/// How long a file system may stay busy after its users have been told to go.
const BUSY_MAX: Duration = Duration::from_secs(10);

/// Why no power can be cut here: not root, no loop devices, no tools.
#[derive(Debug)]
pub(crate) struct Unavailable(pub(crate) String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A mounted disk. It is unmounted and removed on drop.
pub(crate) struct Disk {
    mounted: bool,
    folder: tempfile::TempDir,
}

fn run(command: &mut Command) -> Result<(), Unavailable> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| Unavailable(format!("{name}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Unavailable(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

impl Disk {
    /// Makes and mounts an empty disk of this size.
    pub(crate) fn new(megabytes: u64) -> Result<Self, Unavailable> {
        if !rustix::process::geteuid().is_root() {
            return Err(Unavailable("only root may mount".to_owned()));
        }
        let folder = tempfile::Builder::new().prefix("bodega-disk-").tempdir().unwrap();
        let mut disk = Self { mounted: false, folder };
        std::fs::File::create(disk.image()).unwrap().set_len(megabytes << 20).unwrap();
        std::fs::create_dir(disk.path()).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-b", "4096", "-E", "lazy_itable_init=0"]).arg(disk.image()))?;
        disk.mount()?;
        Ok(disk)
    }

    /// The same for a test: without the means it says why and gives `None`, and with `BODEGA_REQUIRE_POWERCUT=1` it fails.
    pub(crate) fn for_test(megabytes: u64) -> Option<Self> {
        match Self::new(megabytes) {
            Ok(disk) => Some(disk),
            Err(why) => {
                let required = std::env::var("BODEGA_REQUIRE_POWERCUT").is_ok_and(|value| value == "1");
                assert!(!required, "a power cut is required, but {why}");
                skipped(&format!("no power can be cut here: {why}"));
                None
            }
        }
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// The folder on the disk.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn mount(&mut self) -> Result<(), Unavailable> {
        // Nothing but a sync may write the journal while a test runs: the default would do so every five seconds.
        run(Command::new("mount").args(["-t", "ext4", "-o", "loop,commit=300"]).arg(self.image()).arg(self.path()))?;
        self.mounted = true;
        Ok(())
    }

    /// Unmounts, and waits for processes that are still ending.
    fn unmount(&mut self) -> Result<(), Unavailable> {
        let end = Instant::now() + BUSY_MAX;
        while self.mounted {
            match run(Command::new("umount").arg(self.path())) {
                Ok(()) => self.mounted = false,
                Err(why) if Instant::now() > end => return Err(why),
                // The next attempt is the condition that is waited for; asking takes a process, so this does not spin.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Stops answering: whoever writes waits, until the guard is dropped.
    pub(crate) fn stick(&self) -> Frozen<'_> {
        run(Command::new("fsfreeze").arg("-f").arg(self.path()))
            .unwrap_or_else(|why| panic!("it does not freeze: {why}"));
        Frozen(self)
    }

    /// Cuts the power. From here on every access to the disk fails; a process that uses it notices and must be ended by the test.
    pub(crate) fn cut(&self) {
        shut_down(&self.path()).unwrap_or_else(|why| panic!("the power could not be cut: {why}"));
    }

    /// Gives the power back: what was synced is there. All files of the disk must be closed by now, in all processes.
    pub(crate) fn restore(&mut self) {
        self.unmount().unwrap_or_else(|why| panic!("somebody still uses the disk: {why}"));
        self.mount().unwrap_or_else(|why| panic!("the disk does not come back: {why}"));
    }
}

/// A disk that does not answer.
pub(crate) struct Frozen<'d>(&'d Disk);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if let Err(why) = run(Command::new("fsfreeze").arg("-u").arg(self.0.path())) {
            // A panic here would hide the test's own.
            writeln!(std::io::stderr(), "{} stays frozen: {why}", self.0.path().display()).unwrap_or(());
        }
    }
}

fn shut_down(path: &Path) -> Result<(), Unavailable> {
    // The one system call that std does not have; unsafe code is forbidden in this crate, in tests too.
    let program = format!(
        "import fcntl, os, struct, sys\nfcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), {SHUTDOWN}, struct.pack('I', {NO_LOG_FLUSH}))"
    );
    run(Command::new("python3").arg("-c").arg(program).arg(path))
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(why) = self.unmount() {
            // A panic here would hide the test's own.
            writeln!(std::io::stderr(), "{} stays mounted: {why}", self.path().display()).unwrap_or(());
        }
    }
}
