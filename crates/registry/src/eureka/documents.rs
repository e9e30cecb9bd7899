//! Whole documents out of pieces, one per service, each made again only when its service changed.
//!
//! A document is never copied together: it is a list of pieces that its readers share. The same holds for gzip. Each
//! piece is compressed alone and ends on a byte border (a sync flush, RFC 1951 §3.2.4 with an empty block), so pieces
//! one after another are one deflate stream, and the checksum follows from theirs. A change costs its service, not the
//! registry.
//!
//! What nobody has read for a while is given back: a registry has megabytes of each of its eight ways to write it, and
//! clients of one kind read one of them.
//!
//! `lastRenewalTimestamp` is as of the making: heartbeats change no document.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};
use madang_base::Name;

use super::{names, words, write_json, write_xml};
use crate::registry::DeltaVersion;
use crate::view::{Change, Kind, Listed, ServiceView, Snapshot};

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Xml,
}

/// How much of each instance it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Full,
    Compact,
}

/// How the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
}

/// What a client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) format: Format,
    pub(super) shape: Shape,
    pub(super) coding: Coding,
}

impl Key {
    const COUNT: usize = 8;

    const fn index(self) -> usize {
        (self.format as usize) << 2 | (self.shape as usize) << 1 | self.coding as usize
    }
}

/// A document as it travels: pieces, shared with whoever reads it too.
#[derive(Debug, Clone)]
pub(super) struct Document(pub(super) Arc<[Bytes]>);

/// A part of a document as it travels.
#[derive(Debug, Clone)]
struct Piece {
    bytes: Bytes,
    /// Of the text, when that is needed.
    crc: Option<Arc<Crc>>,
}

impl Piece {
    fn new(text: String, coding: Coding) -> Self {
        match coding {
            Coding::Identity => Self { bytes: text.into(), crc: None },
            Coding::Gzip => {
                let mut crc = Crc::new();
                crc.update(text.as_bytes());
                Self { bytes: deflate(text.as_bytes()).into(), crc: Some(Arc::new(crc)) }
            }
        }
    }
}

/// A part of a deflate stream that ends on a byte border and refers to nothing before it.
fn deflate(text: &[u8]) -> Vec<u8> {
    /// Enough for the flush after any amount of text.
    const ROOM: usize = 1024;
    let mut compress = Compress::new(Compression::fast(), false);
    let (mut out, mut at) = (Vec::new(), 0);
    loop {
        out.reserve((text.len() - at) / 4 + ROOM);
        // Compressing into memory fails only when there is no progress to make.
        let done = compress.compress_vec(&text[at..], &mut out, FlushCompress::Sync);
        at = usize::try_from(compress.total_in()).unwrap_or(text.len());
        if done.is_err() || (at == text.len() && out.len() < out.capacity()) {
            out.shrink_to_fit();
            return out;
        }
    }
}

impl Document {
    /// One text alone.
    pub(super) fn of(text: String, coding: Coding) -> Self {
        Self::join(&[Piece::new(text, coding)], coding)
    }

    fn join(pieces: &[Piece], coding: Coding) -> Self {
        /// RFC 1952 §2.3: deflate, no name, no time, system unknown.
        const HEAD: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
        /// RFC 1951 §3.2.3: a last block, with fixed codes and nothing in it.
        const LAST_BLOCK: [u8; 2] = [3, 0];
        let bytes = pieces.iter().map(|piece| piece.bytes.clone());
        match coding {
            Coding::Identity => Self(bytes.collect()),
            Coding::Gzip => {
                let mut sum = Crc::new();
                pieces.iter().filter_map(|piece| piece.crc.as_ref()).for_each(|crc| sum.combine(crc));
                let mut tail = LAST_BLOCK.to_vec();
                tail.extend(sum.sum().to_le_bytes());
                tail.extend(sum.amount().to_le_bytes());
                Self([Bytes::from_static(HEAD)].into_iter().chain(bytes).chain([tail.into()]).collect())
            }
        }
    }
}

/// The documents that many ask for.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// By snapshot: everything that is listed.
    full: Shelves<u64, Arc<ServiceView>>,
    /// By version of the delta: what changed.
    delta: Shelves<Option<DeltaVersion>, Arc<[Change]>>,
}

type Shelves<V, S> = [Mutex<Shelf<V, S>>; Key::COUNT];

/// The pieces of one kind of document, and the document itself. Its lock makes it one rebuild at a time.
#[derive(Debug, Default)]
struct Shelf<V, S> {
    pieces: HashMap<Name, (S, Piece)>,
    whole: Option<(V, Document)>,
    /// Whether somebody has read of it since the last [`Documents::tidy`].
    read: bool,
}

impl<V, S> Shelf<V, S> {
    fn tidy(&mut self) {
        if !std::mem::take(&mut self.read) {
            (self.pieces, self.whole) = (HashMap::new(), None);
        }
    }

    /// The piece of one service; made again when what it was made of is not the `same`.
    fn piece(&mut self, name: &Name, source: S, key: Key, same: fn(&S, &S) -> bool, rows: Rows<S>) -> Piece {
        if let Some((of, piece)) = self.pieces.get(name)
            && same(of, &source)
        {
            return piece.clone();
        }
        let piece = Piece::new(application(&rows(&source), key), key.coding);
        self.pieces.insert(name.clone(), (source, piece.clone()));
        piece
    }

    fn known(&mut self, fits: impl Fn(&V) -> bool) -> Option<Document> {
        self.read = true;
        self.whole.as_ref().filter(|(of, _)| fits(of)).map(|(_, document)| document.clone())
    }
}

/// The instances a piece shows, each with what happened to it.
type Rows<S> = fn(&S) -> Vec<(&Listed, Kind)>;

fn listed_rows(view: &Arc<ServiceView>) -> Vec<(&Listed, Kind)> {
    view.instances.iter().map(|listed| (&**listed, listed.kind)).collect()
}

fn changed_rows(changes: &Arc<[Change]>) -> Vec<(&Listed, Kind)> {
    changes.iter().map(|change| (&*change.listed, change.kind)).collect()
}

fn same_changes(a: &Arc<[Change]>, b: &Arc<[Change]>) -> bool {
    let same = |(a, b): (&Change, &Change)| a.kind == b.kind && Arc::ptr_eq(&a.listed, &b.listed);
    a.len() == b.len() && a.iter().zip(b.iter()).all(same)
}

impl Documents {
    /// Gives back what nobody has read since the last call.
    pub(super) fn tidy(&self) {
        self.full.iter().for_each(|shelf| shelf.lock().unwrap_or_else(PoisonError::into_inner).tidy());
        self.delta.iter().for_each(|shelf| shelf.lock().unwrap_or_else(PoisonError::into_inner).tidy());
    }

    /// Everything that is listed.
    pub(super) fn applications(&self, snapshot: &Snapshot, key: Key) -> Document {
        let shelf = &mut *self.full[key.index()].lock().unwrap_or_else(PoisonError::into_inner);
        // Another reader may have come with a newer one.
        if let Some(known) = shelf.known(|of| *of >= snapshot.revision) {
            return known;
        }
        shelf.pieces.retain(|name, _| snapshot.service(name.as_str()).is_some());
        let pieces =
            snapshot.services().map(|(name, view)| shelf.piece(name, Arc::clone(view), key, Arc::ptr_eq, listed_rows));
        let pieces: Vec<_> = pieces.collect();
        let document = envelope("1", &words::hash(snapshot.counts()), pieces, key);
        shelf.whole = Some((snapshot.revision, document.clone()));
        document
    }

    /// One service.
    pub(super) fn application(&self, snapshot: &Snapshot, name: &Name, key: Key) -> Option<Document> {
        let view = snapshot.service(name.as_str())?;
        let shelf = &mut *self.full[key.index()].lock().unwrap_or_else(PoisonError::into_inner);
        shelf.read = true;
        if shelf.pieces.len() > snapshot.services.len() {
            shelf.pieces.retain(|name, _| snapshot.service(name.as_str()).is_some());
        }
        let piece = shelf.piece(name, Arc::clone(view), key, Arc::ptr_eq, listed_rows);
        Some(match key.format {
            Format::Xml => Document::join(&[piece], key.coding),
            Format::Json => {
                let piece_of = |text: &str| Piece::new(text.to_owned(), key.coding);
                Document::join(&[piece_of("{\"application\":"), piece, piece_of("}")], key.coding)
            }
        })
    }

    /// The changes of the last minutes, with the hash of everything; `changes` is asked when that is not known yet.
    pub(super) fn delta(
        &self,
        version: DeltaVersion,
        changes: impl FnOnce() -> (Arc<Snapshot>, Vec<Change>),
        key: Key,
    ) -> Document {
        let shelf = &mut *self.delta[key.index()].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shelf.known(|of| *of == Some(version)) {
            return known;
        }
        let (snapshot, changes) = changes();
        let groups = changes.chunk_by(|a, b| a.listed.service == b.listed.service);
        let groups: Vec<_> =
            groups.filter_map(|group| Some((group.first()?.listed.service.clone(), Arc::from(group)))).collect();
        let names: std::collections::HashSet<_> = groups.iter().map(|(name, _)| name).collect();
        shelf.pieces.retain(|name, _| names.contains(name));
        let pieces =
            groups.iter().map(|(name, group)| shelf.piece(name, Arc::clone(group), key, same_changes, changed_rows));
        let pieces: Vec<_> = pieces.collect();
        let document = envelope(&snapshot.revision.to_string(), &words::hash(snapshot.counts()), pieces, key);
        // A change between the version and the changes makes the document newer than its label: it is made again.
        shelf.whole = Some((Some(version), document.clone()));
        document
    }
}

/// Some instances, with the hash of them alone (VIPs). The version says that no delta belongs to it.
pub(super) fn subset(listed: &[&Listed], key: Key) -> Document {
    let mut counts = [0; 5];
    for one in listed {
        counts[one.status.index()] += 1;
    }
    // They come sorted by service.
    let groups = listed.chunk_by(|a, b| a.service == b.service);
    let pieces = groups.map(|group| {
        let rows: Vec<_> = group.iter().map(|one| (*one, one.kind)).collect();
        Piece::new(application(&rows, key), key.coding)
    });
    let pieces: Vec<_> = pieces.collect();
    envelope("-1", &words::hash(counts), pieces, key)
}

fn envelope(version: &str, hash: &str, pieces: Vec<Piece>, key: Key) -> Document {
    let (head, tail, comma) = match key.format {
        Format::Json => (
            format!(
                "{{\"applications\":{{\"versions__delta\":\"{version}\",\"apps__hashcode\":\"{hash}\",\"application\":["
            ),
            "]}}",
            Some(Piece::new(",".to_owned(), key.coding)),
        ),
        Format::Xml => (
            format!(
                "<applications><versions__delta>{version}</versions__delta><apps__hashcode>{hash}</apps__hashcode>"
            ),
            "</applications>",
            None,
        ),
    };
    let mut all = Vec::with_capacity(2 * pieces.len() + 2);
    all.push(Piece::new(head, key.coding));
    for (at, piece) in pieces.into_iter().enumerate() {
        all.extend(comma.clone().filter(|_| at > 0));
        all.push(piece);
    }
    all.push(Piece::new(tail.to_owned(), key.coding));
    Document::join(&all, key.coding)
}

/// One application: an object without its root in JSON, an element in XML.
fn application(rows: &[(&Listed, Kind)], key: Key) -> String {
    /// About what a row takes; too little costs a copy, too much is given back.
    const ROW: usize = 1024;
    let name = rows.first().map_or_else(String::new, |(listed, _)| names::shown(listed));
    let mut out = String::with_capacity(ROW * rows.len());
    match key.format {
        Format::Json => {
            out.push_str("{\"name\":");
            write_json::text(&mut out, &name);
            out.push_str(",\"instance\":[");
            for (at, (listed, kind)) in rows.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_json::instance(&mut out, listed, *kind, key.shape);
            }
            out.push_str("]}");
        }
        Format::Xml => {
            out.push_str("<application><name>");
            write_xml::text(&mut out, &name);
            out.push_str("</name>");
            rows.iter().for_each(|(listed, kind)| write_xml::instance(&mut out, listed, *kind, key.shape));
            out.push_str("</application>");
        }
    }
    out.shrink_to_fit();
    out
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// Read by a decoder that stops at the first member's end, as zlib does.
    fn gunzip(document: &Document) -> String {
        let bytes = document.0.concat();
        let mut decoder = flate2::bufread::GzDecoder::new(&*bytes);
        let mut text = String::new();
        decoder.read_to_string(&mut text).unwrap();
        assert!(decoder.into_inner().is_empty(), "one member, and nothing behind it");
        text
    }

    #[test]
    fn pieces_compressed_alone_are_one_gzip_member() {
        let long = "a long text that repeats itself, ".repeat(9_000);
        let mixed: String =
            (0..70_000_u32).filter_map(|n| char::from_u32(32 + n.wrapping_mul(2_654_435_761) % 90)).collect();
        for texts in [vec![], vec![""], vec!["x"], vec!["", "a", "", &long, "b", &mixed, &long, ""]] {
            let pieces: Vec<_> = texts.iter().map(|text| Piece::new((*text).to_owned(), Coding::Gzip)).collect();
            assert!(gunzip(&Document::join(&pieces, Coding::Gzip)) == texts.concat(), "{} texts", texts.len());
        }
    }

    #[test]
    fn documents_that_nobody_reads_are_given_back_and_those_in_use_are_kept() {
        let documents = Documents::default();
        let key = |coding| Key { format: Format::Json, shape: Shape::Full, coding };
        let snapshot = Snapshot::default();
        let shelves = || {
            let whole = |coding: Coding| documents.full[key(coding).index()].lock().unwrap().whole.is_some();
            [whole(Coding::Identity), whole(Coding::Gzip)]
        };
        documents.applications(&snapshot, key(Coding::Identity));
        documents.applications(&snapshot, key(Coding::Gzip));
        documents.tidy();
        assert_eq!(shelves(), [true, true], "read since the last time");
        documents.applications(&snapshot, key(Coding::Gzip));
        documents.tidy();
        assert_eq!(shelves(), [false, true]);
        documents.tidy();
        assert_eq!(shelves(), [false, false]);
    }

    #[test]
    fn every_key_has_its_own_shelf() {
        let mut seen = [0; Key::COUNT];
        for format in [Format::Json, Format::Xml] {
            for shape in [Shape::Full, Shape::Compact] {
                for coding in [Coding::Identity, Coding::Gzip] {
                    seen[Key { format, shape, coding }.index()] += 1;
                }
            }
        }
        assert_eq!(seen, [1; Key::COUNT]);
    }
}
