//! Field names that framing, forwarding or the gateway care about, recognized while a head is read.
//!
//! A name is compared eight bytes at a time, ignoring case: the length picks at most five candidates, each is one to
//! three word comparisons. Nothing is hashed or copied.

/// A field name worth an own number; every other name is [`Known::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the variants are the names
#[repr(u8)]
pub enum Known {
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    KeepAlive,
    ProxyConnection,
    Te,
    Trailer,
    Upgrade,
    ProxyAuthenticate,
    ProxyAuthorization,
    Expect,
    Date,
    Via,
    Server,
    Forwarded,
    XForwardedFor,
    XForwardedProto,
    XForwardedHost,
    XForwardedPort,
    XForwardedPrefix,
    XRequestId,
    MaxForwards,
    Location,
    SetCookie,
    Cookie,
    ContentType,
    ContentEncoding,
    Accept,
    UserAgent,
    Other,
}

/// A set of [`Known`] names, as one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownSet(u32);

impl KnownSet {
    /// The fields that concern one connection only and are never forwarded (RFC 9110 §7.6.1), `Trailer` excepted: it may
    /// go on when the trailers do.
    pub const HOP_BY_HOP: Self = Self::of(&[
        Known::Connection,
        Known::KeepAlive,
        Known::ProxyConnection,
        Known::Te,
        Known::TransferEncoding,
        Known::Upgrade,
        Known::ProxyAuthenticate,
        Known::ProxyAuthorization,
    ]);

    /// The set of `names`.
    #[must_use]
    pub const fn of(names: &[Known]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < names.len() {
            set |= 1 << names[at] as u32;
            at += 1;
        }
        Self(set)
    }

    /// Whether `name` is in the set.
    #[must_use]
    #[inline]
    pub const fn contains(self, name: Known) -> bool {
        self.0 >> name as u32 & 1 == 1
    }

    /// Names of either set.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Known {
    /// The name a field line carries; the comparison ignores case (RFC 9110 §5.1).
    #[must_use]
    #[inline]
    pub fn of(name: &[u8]) -> Self {
        /// The candidate that `name` is, all being of its length.
        macro_rules! one_of {
            ($($known:ident = $lower:literal),+) => {{
                let words = words(name);
                $(if const { Pattern::of($lower) }.is(words) { return Self::$known; })+
                Self::Other
            }};
        }
        match name.len() {
            2 => one_of!(Te = b"te"),
            3 => one_of!(Via = b"via"),
            4 => one_of!(Host = b"host", Date = b"date"),
            6 => one_of!(Accept = b"accept", Cookie = b"cookie", Server = b"server", Expect = b"expect"),
            7 => one_of!(Upgrade = b"upgrade", Trailer = b"trailer"),
            8 => one_of!(Location = b"location"),
            9 => one_of!(Forwarded = b"forwarded"),
            10 => one_of!(
                Connection = b"connection",
                UserAgent = b"user-agent",
                KeepAlive = b"keep-alive",
                SetCookie = b"set-cookie"
            ),
            12 => one_of!(ContentType = b"content-type", XRequestId = b"x-request-id", MaxForwards = b"max-forwards"),
            14 => one_of!(ContentLength = b"content-length"),
            15 => one_of!(XForwardedFor = b"x-forwarded-for"),
            16 => one_of!(
                XForwardedHost = b"x-forwarded-host",
                XForwardedPort = b"x-forwarded-port",
                ContentEncoding = b"content-encoding",
                ProxyConnection = b"proxy-connection"
            ),
            17 => one_of!(TransferEncoding = b"transfer-encoding", XForwardedProto = b"x-forwarded-proto"),
            18 => one_of!(XForwardedPrefix = b"x-forwarded-prefix", ProxyAuthenticate = b"proxy-authenticate"),
            19 => one_of!(ProxyAuthorization = b"proxy-authorization"),
            _ => Self::Other,
        }
    }

    /// The name that `name` turns into where `_` is read as `-` (CGI, WSGI, Rack), if that is one that says how a message
    /// is framed or where it came from: `Content_Length`, `x_forwarded_for`. Two parsers read such a field in two ways.
    #[must_use]
    pub(crate) fn imitated_by(name: &[u8]) -> Option<Self> {
        const IMITABLE: KnownSet = KnownSet::of(&[
            Known::ContentLength,
            Known::TransferEncoding,
            Known::KeepAlive,
            Known::ProxyConnection,
            Known::ProxyAuthenticate,
            Known::ProxyAuthorization,
            Known::XForwardedFor,
            Known::XForwardedProto,
            Known::XForwardedHost,
            Known::XForwardedPort,
            Known::XForwardedPrefix,
            Known::XRequestId,
            Known::MaxForwards,
        ]);
        let mut dashed = [0; LONGEST];
        let dashed = dashed.get_mut(..name.len())?;
        for (to, &from) in dashed.iter_mut().zip(name) {
            *to = if from == b'_' { b'-' } else { from };
        }
        Some(Self::of(dashed)).filter(|&known| IMITABLE.contains(known))
    }
}

/// Bytes of the longest known name, `proxy-authorization`.
const LONGEST: usize = 19;

/// A lower-case name of 2 to 24 bytes as words, and which of their bytes are letters.
pub(crate) struct Pattern {
    length: usize,
    lower: [u64; 3],
    letters: [u64; 3],
}

impl Pattern {
    /// Compares to `lower`. Meant for constants.
    pub(crate) const fn of<const N: usize>(lower: &[u8; N]) -> Self {
        let (mut letters, mut at) = ([0; N], 0);
        while at < N {
            // 0x20 is the bit that makes a letter lower case. Only letters: or-ed with it a CR would be a `-`.
            letters[at] = if lower[at].is_ascii_lowercase() { 0x20 } else { 0 };
            at += 1;
        }
        Self { length: N, lower: words(lower), letters: words(&letters) }
    }

    /// Whether `text` is the pattern in any case.
    #[inline(always)]
    pub(crate) const fn matches(&self, text: &[u8]) -> bool {
        text.len() == self.length && self.is(words(text))
    }

    #[inline(always)]
    const fn is(&self, words: [u64; 3]) -> bool {
        words[0] | self.letters[0] == self.lower[0]
            && words[1] | self.letters[1] == self.lower[1]
            && words[2] | self.letters[2] == self.lower[2]
    }
}

/// The bytes of a name of 2 to 24 bytes in up to three words; the words may overlap, none is missed.
#[inline(always)]
const fn words(name: &[u8]) -> [u64; 3] {
    if let (Some(first), Some(last)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        let middle = match name.split_at_checked(8) {
            Some((_, rest)) if rest.len() > 8 => match rest.first_chunk::<8>() {
                Some(middle) => u64::from_le_bytes(*middle),
                None => 0,
            },
            _ => 0,
        };
        [u64::from_le_bytes(*first), u64::from_le_bytes(*last), middle]
    } else if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        [u32::from_le_bytes(*first) as u64 | (u32::from_le_bytes(*last) as u64) << 32, 0, 0]
    } else if let (Some(first), Some(last)) = (name.first_chunk::<2>(), name.last()) {
        [u16::from_le_bytes(*first) as u64 | (*last as u64) << 16, 0, 0]
    } else {
        [0; 3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [(&str, Known); 30] = [
        ("Host", Known::Host),
        ("Content-Length", Known::ContentLength),
        ("Transfer-Encoding", Known::TransferEncoding),
        ("Connection", Known::Connection),
        ("Keep-Alive", Known::KeepAlive),
        ("Proxy-Connection", Known::ProxyConnection),
        ("TE", Known::Te),
        ("Trailer", Known::Trailer),
        ("Upgrade", Known::Upgrade),
        ("Proxy-Authenticate", Known::ProxyAuthenticate),
        ("Proxy-Authorization", Known::ProxyAuthorization),
        ("Expect", Known::Expect),
        ("Date", Known::Date),
        ("Via", Known::Via),
        ("Server", Known::Server),
        ("Forwarded", Known::Forwarded),
        ("X-Forwarded-For", Known::XForwardedFor),
        ("X-Forwarded-Proto", Known::XForwardedProto),
        ("X-Forwarded-Host", Known::XForwardedHost),
        ("X-Forwarded-Port", Known::XForwardedPort),
        ("X-Forwarded-Prefix", Known::XForwardedPrefix),
        ("X-Request-Id", Known::XRequestId),
        ("Max-Forwards", Known::MaxForwards),
        ("Location", Known::Location),
        ("Set-Cookie", Known::SetCookie),
        ("Cookie", Known::Cookie),
        ("Content-Type", Known::ContentType),
        ("Content-Encoding", Known::ContentEncoding),
        ("Accept", Known::Accept),
        ("User-Agent", Known::UserAgent),
    ];

    #[test]
    fn every_known_name_is_recognized_in_any_case() {
        for (at, (name, known)) in NAMES.iter().enumerate() {
            assert_eq!(*known as usize, at, "{name} has its place in the list");
            assert!(name.len() <= LONGEST, "{name}");
            for name in [name.to_string(), name.to_lowercase(), name.to_uppercase()] {
                assert_eq!(Known::of(name.as_bytes()), *known, "{name}");
            }
        }
        assert_eq!(Known::Other as usize, NAMES.len());
    }

    #[test]
    fn a_name_with_one_byte_changed_is_another_name() {
        for (name, known) in NAMES {
            for at in 0..name.len() {
                for byte in 0..=255_u8 {
                    let mut changed = name.as_bytes().to_vec();
                    changed[at] = byte;
                    let same = byte.eq_ignore_ascii_case(&name.as_bytes()[at]);
                    assert_eq!(Known::of(&changed) == known, same, "{}", changed.escape_ascii());
                }
            }
            for cut in [&name[1..], &name[..name.len() - 1]] {
                assert_ne!(Known::of(cut.as_bytes()), known, "{cut}");
            }
        }
        assert_eq!(Known::of(b""), Known::Other);
        assert_eq!(Known::of(&[b'a'; 300]), Known::Other);
    }

    #[test]
    fn underscores_imitate_only_names_that_matter_to_framing_and_forwarding() {
        for (name, imitated) in [
            ("Content_Length", Some(Known::ContentLength)),
            ("transfer_encoding", Some(Known::TransferEncoding)),
            ("x-forwarded_for", Some(Known::XForwardedFor)),
            ("X_REQUEST_ID", Some(Known::XRequestId)),
            ("user_agent", None),
            ("content_type", None),
            ("my_tenant", None),
            ("a_name_that_is_longer_than_all_the_known_ones", None),
        ] {
            assert_eq!(Known::imitated_by(name.as_bytes()), imitated, "{name}");
        }
    }
}
