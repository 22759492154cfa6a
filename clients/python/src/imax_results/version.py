"""The version, the same as that of imax (Cargo.toml); check.sh compares them."""

VERSION = "0.2.0"
