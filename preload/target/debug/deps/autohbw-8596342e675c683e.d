/work/wt/lead/preload/target/debug/deps/autohbw-8596342e675c683e.d: autohbw/src/lib.rs autohbw/src/settings.rs Cargo.toml

/work/wt/lead/preload/target/debug/deps/libautohbw-8596342e675c683e.rmeta: autohbw/src/lib.rs autohbw/src/settings.rs Cargo.toml

autohbw/src/lib.rs:
autohbw/src/settings.rs:
Cargo.toml:

# env-dep:CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
# env-dep:CLIPPY_CONF_DIR
