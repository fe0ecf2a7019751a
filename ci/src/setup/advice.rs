//! What to tell a person whose machine lacks something that set-up cannot install.

use super::component::Component;
use super::system::System;
use crate::toolchain::TARGET;

/// How the missing components are installed by hand, system by system.
pub(super) fn advice(system: &dyn System, missing: &[Component]) -> String {
    let mut text = String::new();
    if system.has_apt() {
        let backports = system.emulator_commands().filter(|_| missing.contains(&Component::Emulator));
        let mut plain = missing.to_vec();
        if let Some(commands) = &backports {
            plain.retain(|&component| component != Component::Emulator);
            text.push_str(&commands.enable);
        }
        text.push_str("sudo apt-get update\n");
        if let Some(commands) = &backports {
            text.push_str(&commands.install);
        }
        if !plain.is_empty() {
            text.push_str(&format!("sudo apt-get install {}\n", debian(&plain)));
        }
        if missing.contains(&Component::Compiler) {
            text.push_str(&format!("or, for the compiler, with rustup: rustup target add {TARGET}\n"));
        }
        return text;
    }
    let list = |packages: fn(Component) -> &'static str| {
        let names: Vec<_> =
            missing.iter().map(|&component| packages(component)).filter(|name| !name.is_empty()).collect();
        names.join(" ")
    };
    let mut line = |system: &str, command: &str, packages: String| {
        if !packages.is_empty() {
            text.push_str(&format!("{system:<17}{command} {packages}\n"));
        }
    };
    line("Debian, Ubuntu:", "sudo apt-get install", debian(missing));
    line("Fedora:", "sudo dnf install", list(fedora));
    line("Arch:", "sudo pacman -S", list(arch));
    line("macOS:", "brew install", list(brew));
    if missing.contains(&Component::Compiler) {
        line("with rustup:", "rustup target add", TARGET.into());
    }
    text
}

fn debian(missing: &[Component]) -> String {
    missing.iter().flat_map(|component| component.debian_packages()).copied().collect::<Vec<_>>().join(" ")
}

fn fedora(component: Component) -> &'static str {
    match component {
        Component::Compiler => "rust-std-static-x86_64-unknown-none",
        Component::Linker => "lld",
        Component::Emulator => "qemu-system-x86-core",
        Component::ImageMaker => "xorriso",
        Component::Firmware => "edk2-ovmf",
        Component::Debugger => "gdb",
    }
}

fn arch(component: Component) -> &'static str {
    match component {
        Component::Compiler => "rustup",
        Component::Linker => "lld",
        Component::Emulator => "qemu-system-x86",
        Component::ImageMaker => "libisoburn",
        Component::Firmware => "edk2-ovmf",
        Component::Debugger => "gdb",
    }
}

fn brew(component: Component) -> &'static str {
    match component {
        Component::Compiler => "rustup",
        Component::Linker => "lld",
        // QEMU's formula brings the firmware.
        Component::Emulator | Component::Firmware => "qemu",
        Component::ImageMaker => "xorriso",
        Component::Debugger => "gdb",
    }
}
