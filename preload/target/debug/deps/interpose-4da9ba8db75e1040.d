/work/wt/lead/preload/target/debug/deps/interpose-4da9ba8db75e1040.d: interpose/src/lib.rs interpose/src/c.rs interpose/src/family.rs interpose/src/kinds.rs interpose/src/nodes.rs interpose/src/text.rs Cargo.toml

/work/wt/lead/preload/target/debug/deps/libinterpose-4da9ba8db75e1040.rmeta: interpose/src/lib.rs interpose/src/c.rs interpose/src/family.rs interpose/src/kinds.rs interpose/src/nodes.rs interpose/src/text.rs Cargo.toml

interpose/src/lib.rs:
interpose/src/c.rs:
interpose/src/family.rs:
interpose/src/kinds.rs:
interpose/src/nodes.rs:
interpose/src/text.rs:
Cargo.toml:

# env-dep:CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
# env-dep:CLIPPY_CONF_DIR
