/work/wt/lead/preload/target/debug/deps/memtier-9e7d4f4ed5eef0bf.d: memtier/src/lib.rs memtier/src/build.rs memtier/src/kinds.rs memtier/src/log.rs memtier/src/settings.rs Cargo.toml

/work/wt/lead/preload/target/debug/deps/libmemtier-9e7d4f4ed5eef0bf.rmeta: memtier/src/lib.rs memtier/src/build.rs memtier/src/kinds.rs memtier/src/log.rs memtier/src/settings.rs Cargo.toml

memtier/src/lib.rs:
memtier/src/build.rs:
memtier/src/kinds.rs:
memtier/src/log.rs:
memtier/src/settings.rs:
Cargo.toml:

# env-dep:CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
# env-dep:CLIPPY_CONF_DIR
