//! Hands a linker script to the linker for each program, for the kernel's target only: `scripts/NAME.ld` where a program has one of
//! its own, else that of the runtime.
//!
//! It reads nothing of a program's source, and runs again for none: cargo would build all programs anew behind it.

use std::fs;
use std::path::Path;

/// The scripts of the programs that have their own.
const OWN: &str = "scripts";
/// What the linker is told to look for, in the first folder that has it.
const NAME: &str = "program.ld";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={OWN}");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    // The boot archive is read into memory whole; symbols stay for backtraces, line tables do not.
    println!("cargo::rustc-link-arg-bins=--strip-debug");
    // Copies in this package's build folder, the only one that cargo follows in what this script says when the checkout is
    // copied or moved with what was built. A change of the runtime's script runs this one again, as `links` there makes it.
    let folder = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    for entry in fs::read_dir(OWN).expect("the folder of scripts is there") {
        let script = entry.expect("the folder of scripts can be read").path();
        let program = script.file_stem().and_then(|stem| stem.to_str()).expect("programs have plain names");
        // Named before the runtime's: the linker takes the first that it finds.
        println!("cargo::rustc-link-arg-bin={program}=-L{}", copied(&script, &format!("{folder}/{program}")));
    }
    let runtime = std::env::var("DEP_GATEHOUSE_RUNTIME_LINKER_SCRIPT").expect("gatehouse-runtime is a dependency");
    println!("cargo::rustc-link-arg-bins=-L{}", copied(Path::new(&runtime), &format!("{folder}/of_the_runtime")));
    println!("cargo::rustc-link-arg-bins=-T{NAME}");
}

/// Copies a script into a folder, under the name that the linker looks for; answers the folder.
fn copied<'folder>(script: &Path, folder: &'folder str) -> &'folder str {
    fs::create_dir_all(folder).expect("the build folder can be written to");
    fs::copy(script, Path::new(folder).join(NAME)).expect("linker scripts can be copied into the build folder");
    folder
}
