//! Compiles the schemas of `proto/` with protox, so that no protoc need be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let schemas = ["proto/events/v1/event.proto", "proto/signals/v1/signal.proto", "proto/state/v1/partition.proto"];
    let descriptors = protox::compile(schemas, ["proto"])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
