//! Calls of apt.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::component::PROBE_LIMIT;
use super::procedure::{Plan, System};
use super::version::Version;
use crate::process::{output_of, try_output_of};
use crate::toolchain::{TARGET, on_path, unpacked};

const UPDATE_LIMIT: Duration = Duration::from_secs(180);
const INSTALL_LIMIT: Duration = Duration::from_secs(1800);

/// rustup retries a dead server for minutes; where it works, the target takes a few seconds.
const RUSTUP_LIMIT: Duration = Duration::from_secs(60);

/// Few tries, a short wait for a silent server, and some patience when another apt is at work.
const OPTIONS: [&str; 4] = [
    "-oAcquire::Retries=2",
    "-oAcquire::http::Timeout=20",
    "-oAcquire::https::Timeout=20",
    "-oDPkg::Lock::Timeout=120",
];

const BACKPORTS: &str = "/etc/apt/sources.list.d/gatehouse-backports.sources";

/// This machine.
#[derive(Debug, Default)]
pub(super) struct Host;

/// Whether this process is root, or `sudo` asks no password.
fn is_privileged() -> bool {
    let sudo = || try_output_of(Command::new("sudo").args(["-n", "true"]), PROBE_LIMIT);
    nix::unistd::geteuid().is_root() || sudo().is_ok_and(|output| output.status.success())
}

/// `program` as the superuser.
fn privileged(program: &str) -> Command {
    let mut command = Command::new(if nix::unistd::geteuid().is_root() { "env" } else { "sudo" });
    if !nix::unistd::geteuid().is_root() {
        command.args(["-n", "env"]);
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", program]);
    command
}

fn apt_get(words: &[&str], packages: &[&str], suite: Option<&str>) -> Command {
    let mut command = privileged("apt-get");
    command.args(["-qq", "-y", "--no-install-recommends"]).args(OPTIONS).args(words);
    command.args(suite.map(|suite| format!("--target-release={suite}"))).args(packages);
    command
}

impl System for Host {
    fn has_apt(&self) -> bool {
        on_path("apt-get").is_some() && on_path("apt-cache").is_some() && is_privileged()
    }

    fn update(&mut self) -> Result<()> {
        eprintln!("setup: apt-get update (at most {} s)", UPDATE_LIMIT.as_secs());
        output_of(&mut apt_get(&["update"], &[], None), UPDATE_LIMIT).map(drop)
    }

    fn candidate(&self, package: &str) -> Option<Version> {
        candidate_in(
            &output_of(Command::new("apt-cache").args(["policy", package]).env("LC_ALL", "C"), PROBE_LIMIT).ok()?,
        )
    }

    fn enable_backports(&mut self) -> Result<String> {
        let codename =
            debian_codename(&fs::read_to_string("/etc/os-release")?).context("only Debian's backports are known")?;
        let suite = format!("{codename}-backports");
        let format = "$(RELEASE) $(REPO_URI) $(SIGNED_BY)";
        let mut list = Command::new("apt-get");
        list.args(["indextargets", "--format", format, "Created-By: Packages"]);
        let source = output_of(&mut list, PROBE_LIMIT)?;
        if source.lines().any(|line| line.split(' ').next() == Some(&suite)) {
            return Ok(suite);
        }
        let source =
            backports_source(&source, &codename).with_context(|| format!("no package source of {codename}"))?;
        eprintln!("setup: adding {BACKPORTS} (the machine's own mirror, with the backports' suite)");
        let file = tempfile::NamedTempFile::new()?;
        fs::write(file.path(), source)?;
        output_of(privileged("install").arg("-m644").arg(file.path()).arg(BACKPORTS), PROBE_LIMIT)?;
        // An update that could not reach the mirror is a success to apt: it is looked whether the suite is there.
        let updated = self.update();
        let lists = output_of(Command::new("apt-cache").arg("policy"), PROBE_LIMIT)?;
        if !lists.split([' ', '/']).any(|word| word == suite) {
            output_of(privileged("rm").args(["-f", BACKPORTS]), PROBE_LIMIT)?;
            updated?;
            bail!("the mirror offers no {suite}");
        }
        Ok(suite)
    }

    fn plan(&self, packages: &[&str], suite: Option<&str>) -> Result<Plan> {
        Ok(plan_in(&output_of(&mut apt_get(&["--simulate", "install"], packages, suite), PROBE_LIMIT)?))
    }

    fn install(&mut self, packages: &[&str], suite: Option<&str>) -> Result<()> {
        // Between the plan and this call another apt may have changed the machine.
        output_of(&mut apt_get(&["--no-remove", "install"], packages, suite), INSTALL_LIMIT).map(drop)
    }

    fn unpack(&mut self, packages: &[String]) -> Result<()> {
        let (folder, parent) = (unpacked(), unpacked().with_extension("parts"));
        fs::create_dir_all(&parent).with_context(|| format!("cannot make {}", parent.display()))?;
        let parts = tempfile::tempdir_in(&parent)?;
        let mut download = Command::new("apt-get");
        download.args(["-qq", "download"]).args(OPTIONS).args(packages).current_dir(parts.path());
        output_of(&mut download, INSTALL_LIMIT)?;
        let whole = parts.path().join("whole");
        for part in fs::read_dir(parts.path())?.collect::<Result<Vec<_>, _>>()? {
            output_of(Command::new("dpkg-deb").arg("--extract").arg(part.path()).arg(&whole), INSTALL_LIMIT)?;
        }
        // In its place as a whole or not at all.
        fs::rename(&whole, &folder).with_context(|| format!("cannot make {}", folder.display()))
    }

    fn add_target(&mut self) -> Result<()> {
        eprintln!("setup: rustup target add {TARGET} (at most {} s)", RUSTUP_LIMIT.as_secs());
        output_of(Command::new("rustup").args(["target", "add", TARGET]), RUSTUP_LIMIT).map(drop)
    }
}

/// Reads what `apt-cache policy` prints for one package.
fn candidate_in(text: &str) -> Option<Version> {
    Version::find(text.lines().find_map(|line| line.trim().strip_prefix("Candidate:"))?)
}

/// Reads what `apt-get --simulate install` prints: `Inst NAME (VERSION …)`, `Inst NAME [OLD] (VERSION …)`, `Remv NAME [OLD]`.
fn plan_in(text: &str) -> Plan {
    let mut plan = Plan::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (action, package, next) = (words.next(), words.next(), words.next());
        let list = match action {
            Some("Remv") => &mut plan.removed,
            Some("Inst") if next.is_some_and(|word| word.starts_with('[')) => &mut plan.upgraded,
            Some("Inst") => &mut plan.added,
            _ => continue,
        };
        list.extend(package.map(String::from));
    }
    plan
}

/// A package source of the backports, by the mirror and the key that the release's own comes with. `targets` has a line for each
/// index: release, address, key file (apt before 2.9 leaves that as it was asked for).
fn backports_source(targets: &str, codename: &str) -> Option<String> {
    let words = targets.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let release = words.filter(|words| words.len() == 3).find(|words| words[0] == codename)?;
    let key = Some(release[2]).filter(|key| key.starts_with('/'));
    let key = key.unwrap_or("/usr/share/keyrings/debian-archive-keyring.gpg");
    let signed = if Path::new(key).exists() { format!("Signed-By: {key}\n") } else { String::new() };
    let address = release[1];
    Some(format!("Types: deb\nURIs: {address}\nSuites: {codename}-backports\nComponents: main\n{signed}"))
}

/// The release's name when this is Debian itself (a derivative's releases have other names and mirrors).
fn debian_codename(os_release: &str) -> Option<String> {
    let value = |name: &str| os_release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    (value("ID") == Some("debian")).then(|| value("VERSION_CODENAME").map(|name| name.trim_matches('"').into()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_read() {
        let text = "qemu-system-x86:\n  Installed: (none)\n  Candidate: 1:7.2+dfsg-7+deb12u18\n  Version table:\n";
        assert_eq!(candidate_in(text), Some(Version::new(7, 2)));
        assert_eq!(candidate_in("x:\n  Installed: (none)\n  Candidate: (none)\n"), None);
    }

    #[test]
    fn a_plan_has_what_is_added_upgraded_and_removed() {
        let text = "NOTE: This is only a simulation!\nRemv cargo [0.66.0+ds1-1]\nInst libllvm22 (1:22.1.8-1 Debian:12 [amd64])\n\
                    Inst rustc-web [1.85.0] (1.96.0 Debian:12 [amd64])\nConf libllvm22 (1:22.1.8-1 Debian:12 [amd64])\n";
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (added, upgraded, removed) = (list(&["libllvm22"]), list(&["rustc-web"]), list(&["cargo"]));
        assert_eq!(plan_in(text), Plan { added, upgraded, removed });
    }

    #[test]
    fn the_backports_come_from_the_mirror_of_the_release() {
        let targets = "bookworm-updates mirror:/debian/ /k.gpg\nbookworm mirror:/debian/ /dev/null\n";
        let expected =
            "Types: deb\nURIs: mirror:/debian/\nSuites: bookworm-backports\nComponents: main\nSigned-By: /dev/null\n";
        assert_eq!(backports_source(targets, "bookworm").unwrap(), expected);
        assert_eq!(backports_source(targets, "trixie"), None);
    }

    #[test]
    fn only_debian_has_debians_codename() {
        assert_eq!(debian_codename("VERSION_CODENAME=bookworm\nID=debian\n"), Some("bookworm".into()));
        assert_eq!(debian_codename("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"), None);
    }
}
