//! Holds the picture in `ARCHITECTURE.md` against the manifests: who may import whom, and on which floor.

#![allow(clippy::panic, reason = "helpers of tests say what is wrong and stop")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

type Edges = BTreeMap<String, BTreeSet<String>>;

/// The floors where crates may import each other; the allowed edges alone decide there.
const FLOORS_WITH_INNER_EDGES: [u32; 2] = [0, 1];

/// What may stand in `[dev-dependencies]` of our own crates.
const FOR_TESTS: &str = "testkit";

struct Crate {
    name: String,
    folder: PathBuf,
    /// Kind of dependency as cargo says it (`None` is a normal one), and the crate.
    imports: Vec<(Option<String>, String)>,
}

#[test]
fn every_edge_between_our_crates_is_allowed_and_every_allowed_edge_exists() {
    let mut real = Edges::new();
    for house in crates() {
        let imports = house.imports.into_iter().filter(|(kind, _)| kind.as_deref() != Some("dev"));
        let imports: BTreeSet<String> = imports.map(|(_, name)| name).collect();
        if !imports.is_empty() {
            real.insert(house.name, imports);
        }
    }
    let problems = differences(&real, &edges(&map()));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_imported_crate_is_used_in_the_code() {
    let mut problems = Vec::new();
    for house in crates() {
        let code = read_code(&house.folder.join("src"));
        for (_, name) in house.imports.iter().filter(|(kind, _)| kind.is_none()) {
            if !code.contains(&format!("madang_{name}")) {
                problems.push(format!("`{}` imports `{name}` in its manifest and never uses it", house.name));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_crate_stands_on_one_floor_and_arrows_only_go_down() {
    let map = map();
    let floors = floors(&map);
    let known: BTreeSet<String> = crates().into_iter().map(|house| house.name).collect();
    let placed: BTreeSet<String> = floors.keys().cloned().collect();
    assert_eq!(known, placed, "crates of the workspace, and crates on the floors of ARCHITECTURE.md");
    let problems = against_gravity(&edges(&map), &floors);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_test_kit_is_the_only_crate_imported_for_tests_and_for_nothing_else() {
    let mut problems = Vec::new();
    for house in crates() {
        for (kind, name) in &house.imports {
            if (kind.as_deref() == Some("dev")) != (name == FOR_TESTS) {
                problems.push(format!(
                    "`{}` imports `{name}` as a {} dependency",
                    house.name,
                    kind.as_deref().unwrap_or("normal")
                ));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_wrong_picture_is_told_edge_by_edge() {
    let real = edges("```edges\na -> b c\n```");
    let allowed = edges("```edges\na -> b\nb -> c\n```");
    assert_eq!(
        differences(&real, &allowed),
        [
            "`a -> c` is imported and not allowed",
            "`b -> c` is allowed and not imported: take it out of ARCHITECTURE.md"
        ]
    );
}

#[test]
fn an_arrow_may_not_go_up_nor_stay_between_concepts() {
    let floors = floors("```floors\n2 concepts: x y\n1 ground: r s\n0 pure: p q\n```");
    for (drawn, expected) in [
        ("x -> r p", None),
        ("r -> s", None),
        ("p -> q", None),
        ("x -> y", Some("`x -> y` stays on floor 2")),
        ("r -> x", Some("`r -> x` goes up from floor 1 to floor 2")),
        ("x -> z", Some("`x -> z`: one of them stands on no floor")),
    ] {
        let problems = against_gravity(&edges(&format!("```edges\n{drawn}\n```")), &floors);
        assert_eq!(problems.first().map(String::as_str), expected, "{drawn}");
    }
}

fn differences(real: &Edges, allowed: &Edges) -> Vec<String> {
    let mut problems = Vec::new();
    for (from, to) in pairs(real).difference(&pairs(allowed)) {
        problems.push(format!("`{from} -> {to}` is imported and not allowed"));
    }
    for (from, to) in pairs(allowed).difference(&pairs(real)) {
        problems.push(format!("`{from} -> {to}` is allowed and not imported: take it out of ARCHITECTURE.md"));
    }
    problems
}

fn against_gravity(edges: &Edges, floors: &BTreeMap<String, u32>) -> Vec<String> {
    let mut problems = Vec::new();
    for (from, to) in pairs(edges) {
        match (floors.get(&from), floors.get(&to)) {
            (Some(above), Some(below)) if above < below => {
                problems.push(format!("`{from} -> {to}` goes up from floor {above} to floor {below}"));
            }
            (Some(floor), Some(same)) if floor == same && !FLOORS_WITH_INNER_EDGES.contains(floor) => {
                problems.push(format!("`{from} -> {to}` stays on floor {floor}"));
            }
            (Some(_), Some(_)) => {}
            _ => problems.push(format!("`{from} -> {to}`: one of them stands on no floor")),
        }
    }
    problems
}

fn pairs(edges: &Edges) -> BTreeSet<(String, String)> {
    edges.iter().flat_map(|(from, all)| all.iter().map(|to| (from.clone(), to.clone()))).collect()
}

fn edges(map: &str) -> Edges {
    let lines = block(map, "edges").lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let (from, to) = line.split_once("->").unwrap_or_else(|| panic!("no `->` in the edge `{line}`"));
            (from.trim().to_owned(), to.split_whitespace().map(str::to_owned).collect())
        })
        .collect()
}

fn floors(map: &str) -> BTreeMap<String, u32> {
    let mut floors = BTreeMap::new();
    for line in block(map, "floors").lines().filter(|line| !line.trim().is_empty()) {
        let (title, crates) = line.split_once(':').unwrap_or_else(|| panic!("no `:` in the floor `{line}`"));
        let number = title.split_whitespace().next().and_then(|number| number.parse().ok());
        let number: u32 = number.unwrap_or_else(|| panic!("no number before the floor `{line}`"));
        for name in crates.split_whitespace() {
            assert_eq!(floors.insert(name.to_owned(), number), None, "`{name}` stands on two floors");
        }
    }
    floors
}

/// What stands between ```` ```name ```` and the next fence.
fn block<'a>(map: &'a str, name: &str) -> &'a str {
    let start = format!("```{name}\n");
    let inside = map.split_once(&start).unwrap_or_else(|| panic!("no block `{name}` in ARCHITECTURE.md")).1;
    inside.split_once("```").unwrap_or_else(|| panic!("the block `{name}` has no end")).0
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn map() -> String {
    fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md stands at the top")
}

/// Our crates as the manifests have them, by their folder's name.
fn crates() -> Vec<Crate> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    packages
        .iter()
        .map(|package| {
            let manifest = Path::new(package["manifest_path"].as_str().expect("a package has a manifest"));
            let dependencies = package["dependencies"].as_array().expect("a package has a list of dependencies");
            let imports = dependencies.iter().filter_map(|dependency| {
                let name = short(dependency["name"].as_str()?)?;
                Some((dependency["kind"].as_str().map(str::to_owned), name.to_owned()))
            });
            let name = package["name"].as_str().and_then(short).expect("our packages are called `madang…`");
            let folder = manifest.parent().expect("a manifest has a folder").to_owned();
            Crate { name: name.to_owned(), folder, imports: imports.collect() }
        })
        .collect()
}

/// `madang-route` is `route`, the program is `madang`, and whatever is not ours is `None`.
fn short(package: &str) -> Option<&str> {
    if package == "madang" { Some(package) } else { package.strip_prefix("madang-") }
}

fn read_code(folder: &Path) -> String {
    let mut code = String::new();
    for entry in fs::read_dir(folder).expect("a crate has a folder `src`").flatten() {
        let path = entry.path();
        if path.is_dir() {
            code += &read_code(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code += &fs::read_to_string(&path).unwrap_or_default();
        }
    }
    code
}
