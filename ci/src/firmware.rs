//! Finds a UEFI firmware for QEMU.

use std::path::{Path, PathBuf};

use crate::qemu::Firmware;

/// Names the firmware image to use: code and variables in one file.
pub const FIRMWARE_VARIABLE: &str = "GATEHOUSE_OVMF";

/// Where distributions put images with code and variables in one file.
const WHOLE: [&str; 4] =
    ["/usr/share/ovmf/OVMF.fd", "/usr/share/OVMF/OVMF.fd", "/usr/share/edk2/x64/OVMF.4m.fd", "/usr/share/qemu/OVMF.fd"];

/// Where they put images with the code only.
const CODE: [&str; 7] = [
    "/usr/share/OVMF/OVMF_CODE_4M.fd",
    "/usr/share/OVMF/OVMF_CODE.fd",
    "/usr/share/edk2/ovmf/OVMF_CODE.fd",
    "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
    "/usr/share/qemu/edk2-x86_64-code.fd",
    "/opt/homebrew/share/qemu/edk2-x86_64-code.fd",
    "/usr/local/share/qemu/edk2-x86_64-code.fd",
];

impl Firmware {
    /// The image's file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Whole(path) | Self::Code(path) => path,
        }
    }
}

/// The firmware that [`FIRMWARE_VARIABLE`] names, else the first in the usual places.
pub fn find() -> Option<Firmware> {
    let named = std::env::var_os(FIRMWARE_VARIABLE).map(PathBuf::from).filter(|path| path.is_file());
    let whole = WHOLE.iter().map(PathBuf::from).find(|path| path.is_file());
    let code = || CODE.iter().map(PathBuf::from).find(|path| path.is_file());
    named.or(whole).map(Firmware::Whole).or_else(|| code().map(Firmware::Code))
}
