//! The pages in `docs/reference` are what the program says of itself.

use std::path::Path;

use crate::{folder, madang};

#[test]
fn the_reference_is_what_the_program_says_of_itself() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    for page in ["settings", "codes", "scenario", "cli", "api"] {
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

#[test]
fn every_link_between_the_pages_leads_to_a_heading() {
    let page = |name: &str| madang(folder(&[]).path(), &["reference", name]).out;
    let (api, codes) = (page("api"), page("codes"));
    let headings = |page: &str| -> Vec<String> {
        let lines = page.lines().filter_map(|line| Some(line.strip_prefix('#')?.trim_start_matches('#').trim()));
        let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
        lines.map(|line| line.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
    };
    let (in_api, in_codes) = (headings(&api), headings(&codes));
    let links = api.split("](").skip(1).filter_map(|rest| rest.split(')').next()?.split_once('#'));
    let mut count = 0;
    for (page, heading) in links {
        let headings = if page.is_empty() { &in_api } else { &in_codes };
        assert!(headings.iter().any(|known| known == heading), "{page}#{heading}");
        count += 1;
    }
    assert!(count > 100, "{count}");
}
