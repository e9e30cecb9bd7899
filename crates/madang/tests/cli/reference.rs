//! The pages in `docs/reference` are what the program says of itself.

use std::path::{Path, PathBuf};

use crate::{folder, madang};

#[test]
fn the_reference_is_what_the_program_says_of_itself() {
    for page in ["settings", "codes", "scenario", "cli", "api"] {
        holds(&format!("reference/{page}"), &said(page));
    }
}

#[test]
fn every_link_between_the_pages_leads_to_a_heading() {
    let (api, errors) = (said("api"), said("errors"));
    let headings = |page: &str| -> Vec<String> {
        let lines = page.lines().filter_map(|line| Some(line.strip_prefix('#')?.trim_start_matches('#').trim()));
        let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
        lines.map(|line| line.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
    };
    let (in_api, in_errors) = (headings(&api), headings(&errors));
    let links = api.split("](").skip(1).filter_map(|rest| rest.split(')').next()?.split_once('#'));
    let mut count = 0;
    for (page, heading) in links {
        let headings = if page.is_empty() { &in_api } else { &in_errors };
        assert!(headings.iter().any(|known| known == heading), "{page}#{heading}");
        count += 1;
    }
    assert!(count > 100, "{count}");
}

#[test]
fn the_pages_about_errors_are_what_explain_says() {
    let all = said("errors");
    let pages: Vec<_> = all.split("==> docs/errors/").skip(1).filter_map(|page| page.split_once('\n')).collect();
    for (name, text) in &pages {
        holds(&format!("errors/{name}"), text);
    }
    let folder = docs().join("errors");
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(files, pages.len(), "docs/errors has a page of nothing");
}

fn said(page: &str) -> String {
    let said = madang(folder(&[]).path(), &["reference", page]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{page}");
    said.out
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn holds(page: &str, text: &str) {
    let file = docs().join(page).with_extension("md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let stands = std::fs::read_to_string(&file).unwrap_or_default();
    let first = stands.lines().zip(text.lines()).find(|(stands, says)| stands != says);
    assert!(
        stands == text,
        "docs/{page}.md is not what the program says; first difference: {first:?}\n\
         UPDATE_REFERENCE=1 cargo test -p madang --test cli reference writes it"
    );
}
