//! Generates Rust code and a descriptor set from `readings.proto`, without `protoc`.

use std::path::Path;
use tonic_prost_build::Config;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_source_info(true).include_imports(true).open_file("readings.proto")?;
    let descriptors = Path::new(&std::env::var("OUT_DIR")?).join("descriptors.bin");
    std::fs::write(descriptors, compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .compile_fds_with_config(compiler.file_descriptor_set(), Config::new())?;
    Ok(())
}
