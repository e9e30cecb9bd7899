//! The pages in `docs/reference` are what the program says of itself.

use std::path::Path;

use crate::{folder, madang};

#[test]
fn the_reference_is_what_the_program_says_of_itself() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    for page in ["settings", "codes", "cli", "api"] {
        let said = madang(folder(&[]).path(), &["reference", page]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{page}");
        let file = docs.join(page).with_extension("md");
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::create_dir_all(&docs).unwrap();
            std::fs::write(&file, &said.out).unwrap();
        }
        let stands = std::fs::read_to_string(&file).unwrap_or_default();
        let first = stands.lines().zip(said.out.lines()).find(|(stands, says)| stands != says);
        assert!(
            stands == said.out,
            "docs/reference/{page}.md is not what the program says; first difference: {first:?}\n\
             UPDATE_REFERENCE=1 cargo test -p madang --test cli reference writes it"
        );
    }
}
