//! Makes the optimised program smaller where the linker can: functions with the same code are kept once, and relocations are packed.

use std::env;
use std::path::Path;
use std::process::Command;

const FOLD: &str = "-Wl,--icf=all";
const PACK: &str = "-Wl,-z,pack-relative-relocs";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") && env::var("HOST") == env::var("TARGET") {
        for option in [FOLD, PACK] {
            if links_and_runs(option) {
                println!("cargo:rustc-link-arg-bins={option}");
            }
        }
    }
}

/// Not every linker knows the option, nor every loader what it makes: a program of one line is built and started.
fn links_and_runs(option: &str) -> bool {
    let (Ok(rustc), Ok(folder)) = (env::var("RUSTC"), env::var("OUT_DIR")) else { return false };
    let (source, program) = (Path::new(&folder).join("probe.rs"), Path::new(&folder).join("probe"));
    if std::fs::write(&source, "fn main() {}").is_err() {
        return false;
    }
    let mut build = Command::new(rustc);
    build.arg(&source).arg("-o").arg(&program).args(["-C", &format!("link-arg={option}")]);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        build.args(["-C", &format!("linker={linker}")]);
    }
    let succeeds = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    succeeds(&mut build) && succeeds(&mut Command::new(&program))
}
