//! What set-up does, step by step.

use anyhow::{Result, bail};

use super::advice::advice;
use super::component::{Component, Found};
use super::null_device::PATH as NULL_DEVICE;
use super::system::{Privilege, System};

/// What is said when all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// A line for each component.
    All,
    /// Nothing; changes and losses are always told.
    Changes,
}

/// Sees to it that `components` are there.
///
/// # Errors
/// Something is missing and cannot be installed; the text says what to install and how.
pub fn set_up(system: &mut dyn System, components: &[Component], talk: Talk) -> Result<()> {
    see_to_null_device(system);
    let wanting = wanting(system, components);
    if !wanting.is_empty() {
        let names: Vec<_> = wanting.iter().map(|component| component.name()).collect();
        eprintln!("setup: to be installed: {}", names.join(", "));
        if !system.has_apt() {
            eprintln!("setup: no apt here");
        } else if system.privilege() == Privilege::None {
            eprintln!("setup: apt needs root, and sudo would ask for a password");
        } else {
            install_packages(system, &wanting);
        }
        if wanting.contains(&Component::Compiler) && system.find(Component::Compiler) == Found::Missing {
            add_target(system);
        }
    }
    conclude(system, components, talk)
}

/// A machine that keeps its ordinary file may still do: it is told, and no error.
fn see_to_null_device(system: &mut dyn System) {
    if system.has_null_device() {
        return;
    }
    eprintln!(
        "setup: {NULL_DEVICE} is an ordinary file here, and cargo's compiler reads in it what others threw away; putting \
         the device back"
    );
    if !attempt(system.restore_null_device()) {
        eprintln!(
            "setup: by hand: sudo mknod -m 666 {NULL_DEVICE}.new c 1 3 && sudo mv -fT {NULL_DEVICE}.new {NULL_DEVICE}"
        );
    }
}

/// The components that are missing or poor.
fn wanting(system: &dyn System, components: &[Component]) -> Vec<Component> {
    components.iter().copied().filter(|&component| !matches!(system.find(component), Found::Good(_))).collect()
}

/// Failures are told and not returned: another way may be left, and in the end it is looked what is there.
fn install_packages(system: &mut dyn System, wanting: &[Component]) {
    let mut packages = wanting.iter().flat_map(|component| component.debian_packages());
    // The lists of a new machine are empty.
    let mut updated = packages.any(|name| system.candidate(name).is_none());
    if updated {
        attempt(system.update());
    }
    // One call each: what cannot be had must not keep the others out.
    for &component in wanting {
        let suite = match suite_for(system, component) {
            Ok(suite) => suite,
            Err(reason) => {
                eprintln!("setup: {}: {reason}", component.name());
                continue;
            }
        };
        let packages = component.debian_packages();
        if attempt(system.install(packages, suite.as_deref())) || updated {
            continue;
        }
        // Old lists name packages that are gone from the mirror.
        updated = true;
        if attempt(system.update()) {
            attempt(system.install(packages, suite.as_deref()));
        }
    }
}

/// The suite to install from, `None` for the usual one; an error when no version worth installing can be had.
fn suite_for(system: &mut dyn System, component: Component) -> Result<Option<String>, String> {
    let package = component.debian_packages()[0];
    let Some(candidate) = system.candidate(package) else {
        return Err(format!("there is no package {package}"));
    };
    if component.wanted_version().is_none_or(|wanted| candidate >= wanted) {
        return Ok(None);
    }
    if component == Component::Emulator {
        match system.enable_backports() {
            Ok(suite) => return Ok(Some(suite)),
            Err(error) => eprintln!("setup: {error:#}"),
        }
        // An old one boots the kernel all the same.
        if system.find(component) == Found::Missing {
            return Ok(None);
        }
    }
    Err(format!("the package {package} is {candidate}, too old"))
}

fn add_target(system: &mut dyn System) {
    if system.has_rustup() {
        attempt(system.add_target());
    } else {
        eprintln!("setup: no rustup here");
    }
}

fn attempt(result: Result<()>) -> bool {
    if let Err(error) = &result {
        eprintln!("setup: {error:#}");
    }
    result.is_ok()
}

/// Tells what is there; an error when something is missing.
fn conclude(system: &dyn System, components: &[Component], talk: Talk) -> Result<()> {
    let mut missing = Vec::new();
    for &component in components {
        match system.find(component) {
            Found::Good(what) if talk == Talk::All => eprintln!("setup: {:<12} {what}", component.name()),
            Found::Good(_) => {}
            Found::Poor(loss) => eprintln!("setup: {:<12} {loss}", component.name()),
            Found::Missing => missing.push(component),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|component| component.name()).collect();
    bail!("not there: {}. To install by hand:\n{}", names.join(", "), advice(system, &missing).trim_end());
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::setup::system::BackportsCommands;
    use crate::setup::version::Version;

    /// A made-up machine.
    struct Fake {
        found: BTreeMap<Component, Found>,
        privilege: Privilege,
        /// `None` where it cannot be put back.
        null_device: Option<bool>,
        apt: bool,
        /// Packages in the lists, with their versions.
        lists: BTreeMap<&'static str, Version>,
        /// Those that an update brings into the lists.
        mirror: BTreeMap<&'static str, Version>,
        backports: bool,
        rustup: Option<bool>,
        log: Vec<String>,
    }

    impl Fake {
        /// Debian 12 with nothing installed and empty lists.
        fn bare() -> Self {
            let versions = [("rustc-web", 1, 96), ("cargo-web", 1, 96), ("rust-web-src", 1, 96), ("lld", 14, 0)];
            let mut mirror: BTreeMap<_, _> =
                versions.into_iter().map(|(name, major, minor)| (name, Version::new(major, minor))).collect();
            mirror.insert("qemu-system-x86", Version::new(7, 2));
            Self {
                found: BTreeMap::new(),
                privilege: Privilege::Root,
                null_device: Some(true),
                apt: true,
                lists: BTreeMap::new(),
                mirror,
                backports: true,
                rustup: None,
                log: Vec::new(),
            }
        }

        fn set_up(&mut self) -> Result<()> {
            set_up(self, &Component::BASE, Talk::Changes)
        }

        fn log(&self) -> Vec<&str> {
            self.log.iter().map(String::as_str).collect()
        }
    }

    impl System for Fake {
        fn find(&self, component: Component) -> Found {
            self.found.get(&component).cloned().unwrap_or(Found::Missing)
        }

        fn privilege(&self) -> Privilege {
            self.privilege
        }

        fn has_null_device(&self) -> bool {
            self.null_device == Some(true)
        }

        fn restore_null_device(&mut self) -> Result<()> {
            self.log.push("null device".into());
            let Some(there) = &mut self.null_device else { bail!("no devices here") };
            *there = true;
            Ok(())
        }

        fn has_apt(&self) -> bool {
            self.apt
        }

        fn candidate(&self, package: &str) -> Option<Version> {
            self.lists.get(package).copied()
        }

        fn update(&mut self) -> Result<()> {
            self.log.push("update".into());
            self.lists = self.mirror.clone();
            Ok(())
        }

        fn enable_backports(&mut self) -> Result<String> {
            self.log.push("backports".into());
            if self.backports { Ok("bookworm-backports".into()) } else { bail!("no backports") }
        }

        fn install(&mut self, packages: &[&str], suite: Option<&str>) -> Result<()> {
            self.log.push(format!("install {}{}", packages.join(" "), suite.unwrap_or_default()));
            let known: BTreeSet<_> = self.mirror.keys().copied().collect();
            if !packages.iter().all(|name| known.contains(name)) {
                bail!("no such package");
            }
            for component in Component::BASE {
                if component.debian_packages() == packages {
                    let poor = component == Component::Emulator && suite.is_none();
                    let found = if poor { Found::Poor("old".into()) } else { Found::Good("new".into()) };
                    self.found.insert(component, found);
                }
            }
            Ok(())
        }

        fn has_rustup(&self) -> bool {
            self.rustup.is_some()
        }

        fn add_target(&mut self) -> Result<()> {
            self.log.push("rustup".into());
            if self.rustup != Some(true) {
                bail!("rustup fails");
            }
            self.found.insert(Component::Compiler, Found::Good("target".into()));
            Ok(())
        }

        fn emulator_commands(&self) -> Option<BackportsCommands> {
            Some(BackportsCommands { enable: "enable\n".into(), install: "install from backports\n".into() })
        }
    }

    #[test]
    fn a_bare_debian_gets_everything_and_a_second_call_does_nothing() {
        let mut machine = Fake::bare();
        machine.set_up().unwrap();
        let expected = [
            "update",
            "install rustc-web cargo-web rust-web-src",
            "install lld",
            "backports",
            "install qemu-system-x86bookworm-backports",
        ];
        assert_eq!(machine.log(), expected);
        machine.log.clear();
        machine.set_up().unwrap();
        assert!(machine.log.is_empty(), "{:?}", machine.log);
    }

    #[test]
    fn the_null_device_is_put_back_once_and_is_no_condition() {
        let mut machine = Fake { null_device: Some(false), ..Fake::bare() };
        machine.set_up().unwrap();
        assert_eq!(machine.log()[0], "null device");
        machine.log.clear();
        machine.set_up().unwrap();
        assert!(machine.log.is_empty(), "{:?}", machine.log);
        Fake { null_device: None, ..Fake::bare() }.set_up().unwrap();
    }

    #[test]
    fn an_old_emulator_is_replaced_or_kept_with_a_word() {
        let mut machine = Fake::bare();
        machine.lists = machine.mirror.clone();
        for component in Component::BASE {
            machine.found.insert(component, Found::Good(String::new()));
        }
        machine.found.insert(Component::Emulator, Found::Poor("old".into()));
        machine.backports = false;
        machine.set_up().unwrap();
        assert_eq!(machine.log(), ["backports"]);
        machine.backports = true;
        machine.set_up().unwrap();
        assert_eq!(machine.find(Component::Emulator), Found::Good("new".into()));
    }

    #[test]
    fn without_backports_the_old_emulator_is_better_than_none() {
        let mut machine = Fake { backports: false, ..Fake::bare() };
        machine.set_up().unwrap();
        assert_eq!(machine.find(Component::Emulator), Found::Poor("old".into()));
    }

    #[test]
    fn a_distribution_without_a_fit_compiler_leads_to_rustup() {
        let mut machine = Fake { rustup: Some(true), ..Fake::bare() };
        machine.mirror.insert("rustc-web", Version::new(1, 63));
        machine.set_up().unwrap();
        assert!(machine.log.contains(&"rustup".into()));
        assert!(!machine.log().contains(&"install rustc-web cargo-web rust-web-src"));
    }

    #[test]
    fn the_target_that_is_there_is_used() {
        let mut machine = Fake::bare();
        machine.found.insert(Component::Compiler, Found::Good("target".into()));
        machine.set_up().unwrap();
        assert!(!machine.log.iter().any(|line| line.contains("rustc") || line == "rustup"), "{:?}", machine.log);
    }

    #[test]
    fn without_root_rustup_is_tried_and_the_rest_told() {
        let mut machine = Fake { privilege: Privilege::None, rustup: Some(true), ..Fake::bare() };
        let text = machine.set_up().unwrap_err().to_string();
        assert_eq!(machine.log(), ["rustup"]);
        assert!(text.contains("not there: linker, emulator"), "{text}");
        let commands = "enable\nsudo apt-get update\ninstall from backports\nsudo apt-get install lld";
        assert!(text.ends_with(commands), "{text}");
    }

    #[test]
    fn without_anything_each_system_is_told_its_packages() {
        let mut machine = Fake { apt: false, rustup: Some(false), ..Fake::bare() };
        let text = machine.set_up().unwrap_err().to_string();
        for words in ["apt-get install rustc-web", "dnf install", "pacman -S", "brew install", "rustup target add"] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
