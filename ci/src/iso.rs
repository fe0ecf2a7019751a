//! A CD image that boots the kernel by Limine, on BIOS and UEFI.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::limine;
use crate::process::output_of;

const IMAGE_LIMIT: Duration = Duration::from_secs(60);

/// Makes the image `out` from the kernel's ELF file and the boot archive.
///
/// # Errors
/// Limine's files cannot be had; `xorriso` is missing or fails.
pub fn build(kernel: &Path, archive: &Path, command_line: &str, out: &Path) -> Result<()> {
    let loader = limine::folder()?;
    let tree = tempfile::Builder::new().prefix("gatehouse-iso-").tempdir().context("cannot make a folder")?;
    let limine_folder = tree.path().join("boot/limine");
    let firmware_folder = tree.path().join("EFI/BOOT");
    fs::create_dir_all(&limine_folder)?;
    fs::create_dir_all(&firmware_folder)?;
    copy(kernel, &tree.path().join("boot/gatehouse-kernel"))?;
    copy(archive, &tree.path().join("boot/programs.tar"))?;
    for (name, _) in limine::FILES {
        let folder = if name.ends_with(".EFI") { &firmware_folder } else { &limine_folder };
        copy(&loader.join(name), &folder.join(name))?;
    }
    fs::write(limine_folder.join("limine.conf"), configuration(command_line))?;
    let mut xorriso = Command::new("xorriso");
    xorriso
        .args(["-as", "mkisofs", "-quiet", "-R", "-J", "-b", "boot/limine/limine-bios-cd.bin", "-no-emul-boot"])
        .args(["-boot-load-size", "4", "-boot-info-table", "--efi-boot", "boot/limine/limine-uefi-cd.bin"])
        .args(["-efi-boot-part", "--efi-boot-image", "--protective-msdos-label", "-o"])
        .arg(out)
        .arg(tree.path());
    output_of(&mut xorriso, IMAGE_LIMIT).with_context(|| format!("cannot make the image {}", out.display()))?;
    Ok(())
}

/// Limine's configuration: no menu, no waiting, its panics on the serial line.
fn configuration(command_line: &str) -> String {
    let mut text = String::from(
        "timeout: 0\nquiet: yes\nserial: yes\nserial_baudrate: 115200\n\n/Gatehouse\n    protocol: limine\n    \
         kernel_path: boot():/boot/gatehouse-kernel\n    module_path: boot():/boot/programs.tar\n",
    );
    if !command_line.is_empty() {
        text.push_str(&format!("    cmdline: {command_line}\n"));
    }
    text
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} into the image", from.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_has_a_command_line_only_when_there_is_one() {
        assert!(configuration("init=suite suite=flags").ends_with("    cmdline: init=suite suite=flags\n"));
        assert!(!configuration("").contains("cmdline"));
        assert!(configuration("").contains("    kernel_path: boot():/boot/gatehouse-kernel\n"));
    }
}
