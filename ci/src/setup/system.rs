//! What set-up asks of a machine and has done by it. Tests put a made-up machine in its place.

use anyhow::Result;

use super::component::{Component, Found};
use super::version::Version;

/// How commands are run as the superuser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// This process is root.
    Root,
    /// `sudo` works without a password.
    Sudo,
    /// Not at all.
    None,
}

/// Commands for a person: they install the emulator from the backports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackportsCommands {
    /// Makes the backports available; empty when they are. Afterwards the package lists must be fetched.
    pub enable: String,
    /// Installs the emulator.
    pub install: String,
}

/// A machine.
pub trait System {
    /// Looks for a component.
    fn find(&self, component: Component) -> Found;

    /// How commands are run as the superuser.
    fn privilege(&self) -> Privilege;

    /// Whether `/dev/null` is what it should be.
    fn has_null_device(&self) -> bool;

    /// Puts `/dev/null` back.
    ///
    /// # Errors
    /// This user may not, or the machine lets nobody.
    fn restore_null_device(&mut self) -> Result<()>;

    /// Whether packages come by apt.
    fn has_apt(&self) -> bool;

    /// The version of a package that a plain installation brings.
    fn candidate(&self, package: &str) -> Option<Version>;

    /// Fetches the package lists.
    ///
    /// # Errors
    /// The package manager fails or runs into the limit.
    fn update(&mut self) -> Result<()>;

    /// Makes the distribution's backports available and gives their suite's name.
    ///
    /// # Errors
    /// The distribution has none, its package sources are not understood, or the package manager fails.
    fn enable_backports(&mut self) -> Result<String>;

    /// Installs packages, from `suite` when one is named.
    ///
    /// # Errors
    /// The package manager fails or runs into the limit.
    fn install(&mut self, packages: &[&str], suite: Option<&str>) -> Result<()>;

    /// Whether `rustup` is there.
    fn has_rustup(&self) -> bool;

    /// Lets `rustup` install the kernel's target.
    ///
    /// # Errors
    /// It fails or runs into the limit.
    fn add_target(&mut self) -> Result<()>;

    /// The commands by which a person who is allowed to installs the emulator from the backports; `None` where there
    /// are none or where the plain package will do.
    fn emulator_commands(&self) -> Option<BackportsCommands>;
}
