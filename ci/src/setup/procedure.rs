//! What set-up does, step by step.

use anyhow::{Result, bail};

use super::apt::Host;
use super::component::{Component, Found};
use super::version::Version;

/// What is said when all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// A line for each component.
    All,
    /// Nothing; changes and losses are always told.
    Changes,
}

/// What an installation would do to packages, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) added: Vec<String>,
    pub(super) upgraded: Vec<String>,
    pub(super) removed: Vec<String>,
}

/// A machine. Tests put a made-up one in its place.
pub(super) trait System {
    /// Looks for a component.
    fn find(&self, component: Component) -> Found {
        component.find()
    }
    /// Whether packages come by apt, and this user may install them without being asked anything.
    fn has_apt(&self) -> bool;
    /// Fetches the package lists.
    fn update(&mut self) -> Result<()>;
    /// The version of a package that a plain installation brings.
    fn candidate(&self, package: &str) -> Option<Version>;
    /// Makes the distribution's backports available and gives their suite's name.
    fn enable_backports(&mut self) -> Result<String>;
    /// What installing these packages, from `suite` when one is named, would do.
    fn plan(&self, packages: &[&str], suite: Option<&str>) -> Result<Plan>;
    /// Installs them; fails where anything would be removed.
    fn install(&mut self, packages: &[&str], suite: Option<&str>) -> Result<()>;
    /// Unpacks packages in the target folder, which the machine does not notice.
    fn unpack(&mut self, packages: &[String]) -> Result<()>;
    /// Lets `rustup` install the kernel's target.
    fn add_target(&mut self) -> Result<()>;
}

/// Sees to it that `components` are there on this machine.
///
/// # Errors
/// Something is missing and cannot be installed; the text says what to install and how.
pub fn set_up(components: &[Component], talk: Talk) -> Result<()> {
    see_to(&mut Host, components, talk)
}

fn see_to(system: &mut dyn System, components: &[Component], talk: Talk) -> Result<()> {
    let wanting: Vec<_> =
        components.iter().copied().filter(|&component| !matches!(system.find(component), Found::Good(_))).collect();
    if !wanting.is_empty() {
        eprintln!("setup: to be installed: {}", names(&wanting));
        if system.has_apt() {
            // Old lists name versions that are too old, and packages that are gone from the mirror.
            attempt(system.update());
            // One at a time: what cannot be had must not keep the others out.
            wanting.iter().for_each(|&component| attempt(install(system, component)));
        } else {
            eprintln!("setup: no apt here, or it needs root and sudo would ask for a password");
        }
        if wanting.contains(&Component::Compiler) && system.find(Component::Compiler) == Found::Missing {
            attempt(system.add_target());
        }
    }
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
    let packages =
        missing.iter().flat_map(|component| component.debian_packages()).copied().collect::<Vec<_>>().join(" ");
    let by_hand: Vec<_> =
        missing.iter().map(|component| format!("  {}: {}", component.name(), component.by_hand())).collect();
    let line = format!("on Debian: sudo apt-get update && sudo apt-get install {packages}");
    bail!("not there: {}. To install by hand:\n{}\n{line}", names(&missing), by_hand.join("\n"))
}

/// Installs the packages of a component, after it was told what that changes.
fn install(system: &mut dyn System, component: Component) -> Result<()> {
    let packages = component.debian_packages();
    let suite = suite_for(system, component)?;
    let plan = system.plan(packages, suite.as_deref())?;
    if !plan.removed.is_empty() {
        let removed = plan.removed.join(" ");
        if component != Component::Compiler {
            bail!("{}: apt would remove {removed} for it, so nothing is installed", component.name());
        }
        eprintln!(
            "setup: {} would take the place of {removed}: unpacked in the target folder instead, where nothing else sees it",
            packages.join(" ")
        );
        return system.unpack(&plan.added);
    }
    let from = suite.as_ref().map_or(String::new(), |suite| format!(" from {suite}"));
    let more = plan.added.iter().filter(|name| !packages.contains(&name.as_str())).count();
    let more = if more == 0 { String::new() } else { format!(", and {more} packages that it needs") };
    let upgraded =
        if plan.upgraded.is_empty() { String::new() } else { format!("; upgrading {}", plan.upgraded.join(" ")) };
    eprintln!("setup: installing {}{from}{more}{upgraded}", packages.join(" "));
    system.install(packages, suite.as_deref())
}

/// The suite to install from, `None` for the usual one; an error when no version worth installing can be had.
fn suite_for(system: &mut dyn System, component: Component) -> Result<Option<String>> {
    let package = component.debian_packages()[0];
    let Some(candidate) = system.candidate(package) else { bail!("there is no package {package}") };
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
    bail!("the package {package} is {candidate}, too old")
}

/// Failures are told and not returned: another way may be left, and in the end it is looked what is there.
fn attempt(result: Result<()>) {
    if let Err(error) = &result {
        eprintln!("setup: {error:#}");
    }
}

fn names(components: &[Component]) -> String {
    components.iter().map(|component| component.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Debian 12 with nothing installed and old lists.
    struct Fake {
        found: BTreeMap<Component, Found>,
        apt: bool,
        compiler: Version,
        updated: bool,
        backports: bool,
        /// What the distribution's compiler would take the place of.
        in_the_way: Vec<String>,
        log: Vec<String>,
    }

    fn bare() -> Fake {
        let compiler = Version::new(1, 96);
        let (found, in_the_way, log) = Default::default();
        Fake { found, apt: true, compiler, updated: false, backports: true, in_the_way, log }
    }

    impl Fake {
        fn set_up(&mut self) -> Result<Vec<String>> {
            see_to(self, &Component::BASE, Talk::Changes).map(|()| std::mem::take(&mut self.log))
        }
    }

    impl System for Fake {
        fn find(&self, component: Component) -> Found {
            self.found.get(&component).cloned().unwrap_or(Found::Missing)
        }
        fn has_apt(&self) -> bool {
            self.apt
        }
        fn update(&mut self) -> Result<()> {
            self.log.push("update".into());
            self.updated = true;
            Ok(())
        }
        fn candidate(&self, package: &str) -> Option<Version> {
            let old = Version::new(1, 85);
            Some(match package {
                "rustc-web" => {
                    if self.updated {
                        self.compiler
                    } else {
                        old
                    }
                }
                "qemu-system-x86" => Version::new(7, 2),
                _ => Version::new(14, 0),
            })
        }
        fn enable_backports(&mut self) -> Result<String> {
            if self.backports { Ok("bookworm-backports".into()) } else { bail!("no backports") }
        }
        fn plan(&self, packages: &[&str], _suite: Option<&str>) -> Result<Plan> {
            let added = packages.iter().map(ToString::to_string).collect();
            let removed = if packages[0] == "rustc-web" { self.in_the_way.clone() } else { Vec::new() };
            Ok(Plan { added, removed, ..Plan::default() })
        }
        fn install(&mut self, packages: &[&str], suite: Option<&str>) -> Result<()> {
            self.log.push([packages, suite.as_slice()].concat().join(" "));
            let component =
                Component::BASE.into_iter().find(|component| component.debian_packages() == packages).unwrap();
            let poor = component == Component::Emulator && suite.is_none();
            self.found.insert(component, if poor { Found::Poor("old".into()) } else { Found::Good("new".into()) });
            Ok(())
        }
        fn unpack(&mut self, packages: &[String]) -> Result<()> {
            self.log.push(format!("unpack {}", packages.join(" ")));
            self.found.insert(Component::Compiler, Found::Good("unpacked".into()));
            Ok(())
        }
        fn add_target(&mut self) -> Result<()> {
            self.log.push("rustup".into());
            self.found.insert(Component::Compiler, Found::Good("target".into()));
            Ok(())
        }
    }

    const COMPILER: &str = "rustc-web cargo-web rust-web-src";

    #[test]
    fn old_lists_decide_nothing_and_a_second_call_does_nothing() {
        let mut machine = bare();
        assert_eq!(machine.set_up().unwrap(), ["update", COMPILER, "lld", "qemu-system-x86 bookworm-backports"]);
        assert_eq!(machine.set_up().unwrap(), [""; 0]);
    }

    #[test]
    fn a_compiler_that_is_there_stays() {
        let mut machine = Fake { in_the_way: vec!["rustc".into(), "cargo".into()], ..bare() };
        let log = machine.set_up().unwrap();
        assert!(log.contains(&format!("unpack {COMPILER}")) && !log.contains(&COMPILER.into()), "{log:?}");
    }

    #[test]
    fn an_old_emulator_is_replaced_or_better_than_none() {
        let mut machine = Fake { backports: false, ..bare() };
        machine.set_up().unwrap();
        assert_eq!(machine.find(Component::Emulator), Found::Poor("old".into()));
        assert_eq!(machine.set_up().unwrap(), ["update"], "the same again would bring nothing");
        machine.backports = true;
        machine.set_up().unwrap();
        assert_eq!(machine.find(Component::Emulator), Found::Good("new".into()));
    }

    #[test]
    fn a_distribution_without_a_fit_compiler_leads_to_rustup() {
        let log = Fake { compiler: Version::new(1, 63), ..bare() }.set_up().unwrap();
        assert!(log.contains(&"rustup".into()) && !log.contains(&COMPILER.into()), "{log:?}");
    }

    #[test]
    fn without_apt_rustup_is_tried_and_the_rest_told() {
        let text = Fake { apt: false, ..bare() }.set_up().unwrap_err().to_string();
        assert!(text.starts_with("not there: linker, emulator."), "{text}");
        assert!(text.ends_with("apt-get install lld qemu-system-x86"), "{text}");
    }
}
