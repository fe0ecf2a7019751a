//! Hands a linker script to the linker for each program, for the kernel's target only: `src/bin/NAME.ld` where a
//! program has one of its own, else that of the runtime.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/bin");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let runtime = std::env::var("DEP_GATEHOUSE_RUNTIME_LINKER_SCRIPT").expect("gatehouse-runtime is a dependency");
    println!("cargo::rerun-if-changed={runtime}");
    // The boot archive is read into memory whole; symbols stay for backtraces, line tables do not.
    println!("cargo::rustc-link-arg-bins=--strip-debug");
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR for build scripts");
    let bins = Path::new(&folder).join("src/bin");
    for entry in std::fs::read_dir(&bins).expect("src/bin is there") {
        let path = entry.expect("src/bin can be read").path();
        if path.extension().is_some_and(|extension| extension == "ld") {
            continue;
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("programs have plain names").to_owned();
        let own = bins.join(&name).with_extension("ld");
        let script = if own.exists() { own.display().to_string() } else { runtime.clone() };
        println!("cargo::rustc-link-arg-bin={name}=-T{script}");
    }
}
