//! A disk for pages, and what QEMU lets go wrong with it.

use std::fs::{self, File};

use ci::machine::Machine;
use tempfile::TempDir;

/// Bytes of the disk.
const BYTES: u64 = 256 * 1024 * 1024;

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFailure {
    /// Nothing.
    None,
    /// The first page cannot be read, once.
    FailsToRead,
    /// The first page cannot be written, once.
    FailsToWrite,
    /// It takes pages, but answers no more than the first read: it may read a byte a second.
    Silent,
    /// It answers no more than the first write.
    TakesNothing,
}

/// A disk in a folder of its own.
#[derive(Debug)]
pub struct SwapDisk {
    folder: TempDir,
    failure: DiskFailure,
}

impl SwapDisk {
    /// An empty disk.
    ///
    /// # Panics
    /// When there is no room for it.
    #[must_use]
    pub fn new(failure: DiskFailure) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let image = File::create(folder.path().join("swap.img")).expect("the folder can be written to");
        image.set_len(BYTES).expect("the disk is a sparse file");
        let transfer = match failure {
            DiskFailure::FailsToRead => Some("read"),
            DiskFailure::FailsToWrite => Some("write"),
            DiskFailure::None | DiskFailure::Silent | DiskFailure::TakesNothing => None,
        };
        if let Some(transfer) = transfer {
            // The second sector of the first slot: firmware looks at the first one.
            let rule = format!(
                "[inject-error]\nevent = \"none\"\niotype = \"{transfer}\"\nerrno = \"5\"\nsector = \"1\"\nonce = \"on\"\n"
            );
            fs::write(folder.path().join("rules"), rule).expect("the folder can be written to");
        }
        Self { folder, failure }
    }

    /// The machine with the disk.
    #[must_use]
    pub fn attach_to(&self, machine: Machine) -> Machine {
        let image = self.folder.path().join("swap.img");
        let drive = match self.failure {
            DiskFailure::None => format!("file={}", image.display()),
            DiskFailure::Silent => format!("file={},throttling.bps-read=1", image.display()),
            DiskFailure::TakesNothing => format!("file={},throttling.bps-write=1", image.display()),
            DiskFailure::FailsToRead | DiskFailure::FailsToWrite => {
                format!("file=blkdebug:{}:{}", self.folder.path().join("rules").display(), image.display())
            }
        };
        machine
            .qemu_argument("-drive")
            .qemu_argument(format!("if=none,id=swap,format=raw,{drive}"))
            .qemu_argument("-device")
            .qemu_argument("virtio-blk-pci,drive=swap")
    }
}
