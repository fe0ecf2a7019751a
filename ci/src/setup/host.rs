//! This machine.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::apt;
use super::backports::{self, Backports};
use super::component::{Component, EMULATOR_VERSION, Found};
use super::null_device;
use super::system::{BackportsCommands, Privilege, System};
use super::version::Version;
use crate::firmware;
use crate::process::{output_of, try_output_of};
use crate::qemu;
use crate::toolchain::{TARGET, Toolchain, on_path};

pub(super) const PROBE_LIMIT: Duration = Duration::from_secs(20);

/// rustup retries a dead server for minutes; where it works, the target takes a few seconds.
const RUSTUP_LIMIT: Duration = Duration::from_secs(60);

/// This machine.
#[derive(Debug, Default)]
pub struct Host;

impl System for Host {
    fn find(&self, component: Component) -> Found {
        match component {
            Component::Compiler => Toolchain::find().map_or(Found::Missing, |found| Found::Good(found.describe())),
            Component::Linker => linker(),
            Component::Emulator => emulator(),
            Component::ImageMaker => program("xorriso"),
            Component::Debugger => program("gdb"),
            Component::Firmware => {
                firmware::find().map_or(Found::Missing, |found| Found::Good(found.path().display().to_string()))
            }
        }
    }

    fn privilege(&self) -> Privilege {
        if nix::unistd::geteuid().is_root() {
            return Privilege::Root;
        }
        let sudo = try_output_of(Command::new("sudo").args(["-n", "true"]), PROBE_LIMIT);
        if sudo.is_ok_and(|output| output.status.success()) { Privilege::Sudo } else { Privilege::None }
    }

    fn has_null_device(&self) -> bool {
        null_device::is_device(Path::new(null_device::PATH))
    }

    fn restore_null_device(&mut self) -> Result<()> {
        null_device::restore(self.privilege(), Path::new(null_device::PATH))
    }

    fn has_apt(&self) -> bool {
        on_path("apt-get").is_some() && on_path("apt-cache").is_some()
    }

    fn candidate(&self, package: &str) -> Option<Version> {
        apt::candidate(package)
    }

    fn update(&mut self) -> Result<()> {
        apt::update(self.privilege())
    }

    fn enable_backports(&mut self) -> Result<String> {
        let codename = debian_codename().context("only Debian's backports are known")?;
        match backports::derive(&apt::source_files(), &codename) {
            Some(Backports::Present) => {}
            Some(Backports::Add(file)) => apt::add_backports(self.privilege(), &file, &backports::suite(&codename))?,
            None => bail!("no package source of {codename} was found in /etc/apt"),
        }
        Ok(backports::suite(&codename))
    }

    fn install(&mut self, packages: &[&str], suite: Option<&str>) -> Result<()> {
        apt::install(self.privilege(), packages, suite)
    }

    fn has_rustup(&self) -> bool {
        on_path("rustup").is_some()
    }

    fn add_target(&mut self) -> Result<()> {
        eprintln!("setup: rustup target add {TARGET} (at most {} s)", RUSTUP_LIMIT.as_secs());
        output_of(Command::new("rustup").args(["target", "add", TARGET]), RUSTUP_LIMIT).map(drop)
    }

    fn emulator_commands(&self) -> Option<BackportsCommands> {
        let package = Component::Emulator.debian_packages()[0];
        if apt::candidate(package) >= Some(EMULATOR_VERSION) {
            return None;
        }
        let codename = debian_codename()?;
        let enable = match backports::derive(&apt::source_files(), &codename)? {
            Backports::Present => String::new(),
            Backports::Add(file) => {
                let path = apt::backports_path(file.style);
                format!("sudo tee {} <<'END'\n{}END\n", path.display(), file.text)
            }
        };
        let install = format!("sudo apt-get install -t {} {package}\n", backports::suite(&codename));
        Some(BackportsCommands { enable, install })
    }
}

fn program(name: &str) -> Found {
    on_path(name).map_or(Found::Missing, |path| Found::Good(path.display().to_string()))
}

fn linker() -> Found {
    if let Some(path) = on_path("ld.lld") {
        return Found::Good(path.display().to_string());
    }
    // A compiler with the target's libraries links with its own lld unless a distribution took that out.
    match Toolchain::find() {
        Some(Toolchain::WithTarget { sysroot, .. }) if has_own_linker(&sysroot) => {
            Found::Good("rust-lld of the compiler".into())
        }
        _ => Found::Missing,
    }
}

fn has_own_linker(sysroot: &std::path::Path) -> bool {
    let Ok(entries) = sysroot.join("lib/rustlib").read_dir() else { return false };
    entries.flatten().any(|entry| entry.path().join("bin/rust-lld").is_file())
}

fn emulator() -> Found {
    let Some(path) = on_path(qemu::PROGRAM) else { return Found::Missing };
    let Ok(text) = output_of(Command::new(&path).arg("--version"), PROBE_LIMIT) else { return Found::Missing };
    match Version::find(&text) {
        Some(version) if version >= EMULATOR_VERSION => Found::Good(format!("QEMU {version}, {}", path.display())),
        Some(version) => Found::Poor(format!(
            "QEMU {version} is older than {EMULATOR_VERSION}: it emulates no x2APIC (at most 255 CPUs, by xAPIC) and \
             gives some exceptions other error codes than a processor, so that the trap tests mean little"
        )),
        None => Found::Poor(format!("{} does not tell its version", path.display())),
    }
}

/// The release's name when this is Debian itself (a derivative's releases have other names and mirrors).
fn debian_codename() -> Option<String> {
    codename_in(&fs::read_to_string("/etc/os-release").ok()?)
}

fn codename_in(os_release: &str) -> Option<String> {
    let value = |name: &str| {
        os_release
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(|text| text.trim_matches('"'))
    };
    (value("ID") == Some("debian")).then(|| value("VERSION_CODENAME").map(String::from))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_debian_has_debians_codename() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(codename_in(debian), Some("bookworm".into()));
        assert_eq!(codename_in("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"), None);
        assert_eq!(codename_in(""), None);
    }
}
