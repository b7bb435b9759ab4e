//! Packs the published schemas, which the program carries, and makes the optimised program smaller where the linker can: functions
//! with the same code are kept once, and relocations are packed.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

use flate2::{Compression, write::ZlibEncoder};

const FOLD: &str = "-Wl,--icf=all";
const PACK: &str = "-Wl,-z,pack-relative-relocs";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    pack_schemas()?;
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") && env::var("HOST") == env::var("TARGET") {
        for option in [FOLD, PACK] {
            if links_and_runs(option) {
                println!("cargo:rustc-link-arg-bins={option}");
            }
        }
    }
    Ok(())
}

/// `schemas/card.json` becomes `card.json.z` where the sources find it; texts that say much the same shrink to a thirtieth.
fn pack_schemas() -> io::Result<()> {
    println!("cargo:rerun-if-changed=schemas");
    let folder = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    for entry in fs::read_dir("schemas")? {
        let name = entry?.file_name().into_string().map_err(|name| io::Error::other(format!("{} is no UTF-8", name.display())))?;
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&fs::read(Path::new("schemas").join(&name))?)?;
        fs::write(Path::new(&folder).join(format!("{name}.z")), packed.finish()?)?;
    }
    Ok(())
}

/// Not every linker knows the option, nor every loader what it makes: a program of one line is built and started.
fn links_and_runs(option: &str) -> bool {
    let (Ok(rustc), Ok(folder)) = (env::var("RUSTC"), env::var("OUT_DIR")) else { return false };
    let (source, program) = (Path::new(&folder).join("probe.rs"), Path::new(&folder).join("probe"));
    if fs::write(&source, "fn main() {}").is_err() {
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
