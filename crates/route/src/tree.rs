//! Finding a path among many patterns: a tree over segments, with the ranks of the rules that end at each place.
//!
//! A rank is a place in the order of precedence, so the search only has to find the least one: it goes down every branch
//! that matches, most specific first, and turns away from those that hold nothing better than what it has. The usual
//! request walks straight down.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::PathPattern;
use crate::path::{Glob, Segment};

/// Above this many literal children a node is hashed, below it compares.
const FEW: usize = 8;

/// A map with texts of the settings as keys; see [`TextHasher`].
pub(crate) type TextMap<V> = HashMap<Box<str>, V, BuildHasherDefault<TextHasher>>;

/// The paths of one host.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// Ranks of rules without a path.
    pathless: Vec<u32>,
}

#[derive(Debug)]
struct Node {
    /// Least rank at or below this node.
    least: u32,
    /// Whether a path can go on from here by anything but a literal.
    has_wildcards: bool,
    literals: Literals,
    mixed: Mixed,
    /// Child for `{name}` and for a `*` before the end.
    one: Option<u32>,
    /// Ranks, ascending, of rules that end here, with `*` as their last segment, or with `**` after this node.
    end: Vec<u32>,
    last: Vec<u32>,
    rest: Vec<u32>,
}

/// Children for segments with wildcards, found by the characters before the first one.
#[derive(Debug, Default)]
struct Mixed {
    /// The longest first.
    starts: Vec<Starts>,
}

/// The segments whose literal start has one length.
#[derive(Debug)]
struct Starts {
    length: usize,
    globs: TextMap<Vec<(Glob, u32)>>,
}

#[derive(Debug)]
enum Literals {
    Few(Vec<(Box<str>, u32)>),
    Many(TextMap<u32>),
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::new(u32::MAX)], pathless: Vec::new() }
    }
}

impl Tree {
    /// Adds a rule. Ranks come in ascending order, so every list stays sorted.
    pub(crate) fn insert(&mut self, path: Option<&PathPattern>, rank: u32) {
        let Some(path) = path else {
            self.pathless.push(rank);
            return;
        };
        let mut node = 0;
        self.nodes[node].least = self.nodes[node].least.min(rank);
        for segment in &path.segments {
            self.nodes[node].has_wildcards |= !matches!(segment, Segment::Literal(_));
            let new = u32::try_from(self.nodes.len()).expect("4 billion nodes do not fit in memory");
            let child = match segment {
                Segment::Literal(text) => self.nodes[node].literals.get_or_insert(text, new),
                Segment::Mixed(glob) => self.nodes[node].mixed.get_or_insert(glob, new),
                Segment::One => *self.nodes[node].one.get_or_insert(new),
                Segment::Last => {
                    self.nodes[node].last.push(rank);
                    return;
                }
            };
            if child == new {
                self.nodes.push(Node::new(rank));
            }
            node = child as usize;
        }
        let node = &mut self.nodes[node];
        if path.rest {
            node.has_wildcards = true;
            node.rest.push(rank);
        } else {
            node.end.push(rank);
        }
    }

    /// The least rank whose pattern takes `path` and that `accept` takes.
    pub(crate) fn find(&self, path: &str, mut accept: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut best = u32::MAX;
        if let Some(path) = path.strip_prefix('/') {
            self.search(0, Some(path), &mut best, &mut accept);
        }
        first(&self.pathless, &mut best, &mut accept);
        Some(best).filter(|&best| best != u32::MAX)
    }

    /// `left` is what follows the slash after the node's segment; none when the path ended there.
    fn search(&self, node: u32, left: Option<&str>, best: &mut u32, accept: &mut impl FnMut(u32) -> bool) {
        let (mut node, mut left) = (&self.nodes[node as usize], left);
        // Most of a way is literals and nothing else: no need to come back.
        while !node.has_wildcards
            && let Some(path) = left
        {
            let (segment, after) = split(path);
            let Some(child) = node.literals.get(segment) else { return };
            (node, left) = (&self.nodes[child as usize], after);
        }
        if node.least >= *best {
            return;
        }
        match left {
            None => first(&node.end, best, accept),
            Some(left) => {
                let (segment, after) = split(left);
                if let Some(child) = node.literals.get(segment) {
                    self.search(child, after, best, accept);
                }
                for (glob, child) in node.mixed.candidates(segment) {
                    if self.nodes[*child as usize].least < *best && glob.matches(segment) {
                        self.search(*child, after, best, accept);
                    }
                }
                if let Some(child) = node.one
                    && !segment.is_empty()
                {
                    self.search(child, after, best, accept);
                }
                if after.is_none() {
                    first(&node.last, best, accept);
                }
            }
        }
        first(&node.rest, best, accept);
    }
}

/// The first segment, and what follows its slash.
fn split(path: &str) -> (&str, Option<&str>) {
    // Segments are short: a plain loop beats a search made for long texts.
    match path.bytes().position(|byte| byte == b'/') {
        Some(slash) => (&path[..slash], Some(&path[slash + 1..])),
        None => (path, None),
    }
}

/// Lowers `best` to the first of `ranks` that is accepted.
#[inline]
fn first(ranks: &[u32], best: &mut u32, accept: &mut impl FnMut(u32) -> bool) {
    for &rank in ranks.iter().take_while(|&&rank| rank < *best) {
        if accept(rank) {
            *best = rank;
            return;
        }
    }
}

impl Node {
    fn new(least: u32) -> Self {
        Self {
            least,
            has_wildcards: false,
            literals: Literals::Few(Vec::new()),
            mixed: Mixed::default(),
            one: None,
            end: Vec::new(),
            last: Vec::new(),
            rest: Vec::new(),
        }
    }
}

impl Mixed {
    fn candidates(&self, segment: &str) -> impl Iterator<Item = &(Glob, u32)> {
        self.starts.iter().filter_map(|starts| starts.globs.get(segment.get(..starts.length)?)).flatten()
    }

    fn get_or_insert(&mut self, glob: &Glob, new: u32) -> u32 {
        let start = glob.start();
        let place = match self.starts.binary_search_by(|starts| start.len().cmp(&starts.length)) {
            Ok(place) => place,
            Err(place) => {
                self.starts.insert(place, Starts { length: start.len(), globs: TextMap::default() });
                place
            }
        };
        let globs = self.starts[place].globs.entry(start.into()).or_default();
        if let Some((_, child)) = globs.iter().find(|(known, _)| known == glob) {
            return *child;
        }
        globs.push((glob.clone(), new));
        new
    }
}

impl Literals {
    fn get(&self, text: &str) -> Option<u32> {
        match self {
            Self::Few(few) => few.iter().find(|(known, _)| **known == *text).map(|(_, child)| *child),
            Self::Many(many) => many.get(text).copied(),
        }
    }

    fn get_or_insert(&mut self, text: &str, new: u32) -> u32 {
        if let Some(child) = self.get(text) {
            return child;
        }
        match self {
            Self::Few(few) if few.len() < FEW => few.push((text.into(), new)),
            Self::Few(few) => {
                let all = std::mem::take(few).into_iter().chain([(text.into(), new)]);
                *self = Self::Many(all.collect());
            }
            Self::Many(many) => {
                many.insert(text.into(), new);
            }
        }
        new
    }
}

/// Multiplies eight bytes at a time.
///
/// Keys are texts of the settings and requests only look them up, so no request can put two keys in one place: a hash
/// that resists such attacks would cost every request and protect nothing.
#[derive(Debug, Default, Clone)]
pub(crate) struct TextHasher(u64);

impl TextHasher {
    fn mix(&mut self, word: u64) {
        // An odd constant without structure: 2^64 divided by the golden ratio.
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for TextHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, left) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..left.len()].copy_from_slice(left);
        self.mix(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56);
    }

    /// The end mark of a text: its length is mixed in already.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        // The map takes its place from the low bits and its tag from the high ones; fold the well mixed half down.
        self.0 ^ self.0 >> 32
    }
}
