//! Tells the build scripts of programs where the linker script is.

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR for build scripts");
    println!("cargo::rerun-if-changed=program.ld");
    println!("cargo::metadata=linker_script={folder}/program.ld");
}
