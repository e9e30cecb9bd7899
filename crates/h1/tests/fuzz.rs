//! The fuzz target over its corpus, and over some thousand changes of it. `MADANG_SEED=` repeats a run; libFuzzer looks
//! further (`crates/h1/fuzz`), and what it finds becomes a file here, or a row of the other corpus when it is a rule.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod checks;
mod corpus;
#[path = "fuzz/target.rs"]
mod target;

use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;

use target::target;

/// Changed cases of one run.
const CHANGES: usize = 100_000;

/// Bytes and words that parsers trip over.
const DIRT: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"0\r\n\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: a\r\n",
    b"GET / HTTP/1.1\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"\xff",
    b"_",
    b"-",
    b"chunked",
    b"Connection: close\r\n",
    b"0",
    b"5",
    b"HTTP/1.0",
    b"http://a",
    b"?",
    b"%00",
    b"\x0b",
];

/// Every file of the corpus, and every row of the tables as a case that arrives in one piece and one that is cut.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    let files = paths.into_iter().map(|path| std::fs::read(path).unwrap());
    let requests = corpus::ACCEPTED_REQUESTS.iter().map(|(_, bytes)| *bytes);
    let requests = requests.chain(corpus::REFUSED_REQUESTS.iter().map(|(_, bytes, ..)| *bytes));
    let responses = corpus::ACCEPTED_RESPONSES.iter().map(|(_, bytes)| *bytes);
    let responses = responses.chain(corpus::REFUSED_RESPONSES.iter().map(|(_, bytes, _)| *bytes));
    let chunked = corpus::ACCEPTED_CHUNKED.iter().map(|(_, bytes, ..)| *bytes);
    let chunked = chunked.chain(corpus::REFUSED_CHUNKED.iter().map(|(_, bytes, _)| *bytes));
    let rows = requests.chain(responses).chain(chunked);
    let rows = rows.flat_map(|row| [[&[0][..], row].concat(), [&[3, 9, 4, 11][..], row].concat()]);
    files.chain(rows).collect()
}

#[test]
fn every_case_of_the_corpus_passes() {
    let seeds = seeds();
    assert!(seeds.len() > 500, "{} cases", seeds.len());
    for case in &seeds {
        target(case);
    }
}

#[test]
fn changed_cases_pass_too() {
    let seed = std::env::var("MADANG_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("MADANG_SEED={seed} repeats this");
    let seeds = seeds();
    let mut random = SplitMix(seed);
    for _ in 0..CHANGES {
        let mut case = random.one(&seeds).clone();
        for _ in 0..1 + random.below(4) {
            change(&mut case, &mut random, &seeds);
        }
        target(&case);
    }
}

/// One change: bytes replaced, taken out or put in, or another case's end put behind this one's beginning.
fn change(case: &mut Vec<u8>, random: &mut SplitMix, seeds: &[Vec<u8>]) {
    let at = random.below(case.len() + 1);
    let until = (at + random.below(8)).min(case.len());
    match random.below(6) {
        0 if at < case.len() => case[at] = random.below(256) as u8,
        1 => drop(case.drain(at..until)),
        2 => case.truncate(at.max(1)),
        3 => {
            let other = random.one(seeds);
            case.truncate(at);
            case.extend_from_slice(&other[random.below(other.len())..]);
        }
        4 => {
            let again = case[at..until].to_vec();
            case.splice(at..at, again);
        }
        _ => {
            let dirt = *random.one(DIRT);
            case.splice(at..until, dirt.iter().copied());
        }
    }
    case.truncate(4096);
}

/// Steele, Lea, Flood, "Fast splittable pseudorandom number generators".
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % end.max(1) as u64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}
