//! Hands a linker script to the linker for each program, for the kernel's target only: `src/bin/NAME.ld` where a
//! program has one of its own, else that of the runtime.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/bin");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    // The boot archive is read into memory whole; symbols stay for backtraces, line tables do not.
    println!("cargo::rustc-link-arg-bins=--strip-debug");
    // Copies in this package's build folder, the only one that cargo follows in what this script says when the checkout is
    // copied or moved with what was built. A change of the runtime's script runs this one again, as `links` there makes it.
    let folder = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    let copied = |script: &Path, name: &str| {
        let copy = format!("{folder}/{name}.ld");
        std::fs::copy(script, &copy).expect("linker scripts can be copied into the build folder");
        copy
    };
    let runtime = std::env::var("DEP_GATEHOUSE_RUNTIME_LINKER_SCRIPT").expect("gatehouse-runtime is a dependency");
    // No program is called so.
    let runtime = copied(Path::new(&runtime), "program.runtime");
    let bins = Path::new("src/bin");
    for entry in std::fs::read_dir(bins).expect("src/bin is there") {
        let path = entry.expect("src/bin can be read").path();
        if path.extension().is_some_and(|extension| extension == "ld") {
            continue;
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("programs have plain names");
        let own = bins.join(name).with_extension("ld");
        let script = if own.exists() { &copied(&own, name) } else { &runtime };
        println!("cargo::rustc-link-arg-bin={name}=-T{script}");
    }
}
