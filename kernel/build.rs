//! Hands the linker script to the linker of the kernel's image.

use std::env;
use std::fs;

fn main() {
    println!("cargo:rerun-if-changed=linker.ld");
    println!("cargo:rerun-if-changed=build.rs");
    // Host builds of this package are for tests and lints: they link as ordinary programs.
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        // A copy in the build folder: that folder alone cargo follows when the checkout was copied or moved with what was
        // built; the package's own it would go on naming where it was.
        let script = env::var("OUT_DIR").expect("cargo sets OUT_DIR") + "/linker.ld";
        fs::copy("linker.ld", &script).expect("the linker script can be copied into the build folder");
        println!("cargo:rustc-link-arg-bins=-T{script}");
    }
}
