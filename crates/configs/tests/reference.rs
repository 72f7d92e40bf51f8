//! The committed reference is the one the tables give.

#[test]
fn the_reference_is_fresh() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/configs.md");
    let committed = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        committed == ottla_configs::reference::markdown(),
        "docs/reference/configs.md is stale: cargo xtask docs"
    );
}
