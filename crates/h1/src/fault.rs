//! Why a message is refused: one list, one table of status, reason token and text.
//!
//! The tokens are stable: they go into access logs, metrics and problem documents. The texts speak to whoever sent the
//! message: what was wrong, then what to do.

/// Everything that can be wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // `Fault::text` says what each one is
pub enum Fault {
    // Either head.
    HeadTooLarge,
    TooManyFields,
    LineEnd,
    FieldLeadingSpace,
    ObsFold,
    FieldColon,
    FieldName,
    FieldNameSpace,
    FieldLookalike,
    FieldValue,
    ContentLength,
    ContentLengthRepeated,
    LengthAndCoding,
    TransferEncoding,
    TransferEncodingRepeated,
    TransferEncodingUnknown,
    TransferEncodingVersion,
    Connection,
    Version,
    VersionUnsupported,
    // Request heads.
    Method,
    MethodLong,
    MethodConnect,
    MethodTrace,
    TargetMissing,
    TargetLong,
    TargetByte,
    TargetEscape,
    TargetForm,
    HostMissing,
    HostRepeated,
    HostInvalid,
    HostDiffers,
    ExpectUnknown,
    // Response heads.
    Status,
    StatusBody,
    // Bodies.
    ChunkSize,
    ChunkExtension,
    ChunkExtensionsLarge,
    ChunkEnd,
    TrailersLarge,
    BodyTruncated,
}

impl Fault {
    /// Every fault, in the order of the table.
    pub const ALL: &[Self] = &[
        Self::HeadTooLarge,
        Self::TooManyFields,
        Self::LineEnd,
        Self::FieldLeadingSpace,
        Self::ObsFold,
        Self::FieldColon,
        Self::FieldName,
        Self::FieldNameSpace,
        Self::FieldLookalike,
        Self::FieldValue,
        Self::ContentLength,
        Self::ContentLengthRepeated,
        Self::LengthAndCoding,
        Self::TransferEncoding,
        Self::TransferEncodingRepeated,
        Self::TransferEncodingUnknown,
        Self::TransferEncodingVersion,
        Self::Connection,
        Self::Version,
        Self::VersionUnsupported,
        Self::Method,
        Self::MethodLong,
        Self::MethodConnect,
        Self::MethodTrace,
        Self::TargetMissing,
        Self::TargetLong,
        Self::TargetByte,
        Self::TargetEscape,
        Self::TargetForm,
        Self::HostMissing,
        Self::HostRepeated,
        Self::HostInvalid,
        Self::HostDiffers,
        Self::ExpectUnknown,
        Self::Status,
        Self::StatusBody,
        Self::ChunkSize,
        Self::ChunkExtension,
        Self::ChunkExtensionsLarge,
        Self::ChunkEnd,
        Self::TrailersLarge,
        Self::BodyTruncated,
    ];

    /// Status of the answer when the message was a request; its stable token; its text.
    #[rustfmt::skip]
    const fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::HeadTooLarge => (431, "head_too_large", "the head is larger than the limit; send fewer or shorter fields"),
            Self::TooManyFields => (431, "too_many_fields", "the head or trailer section has more fields than the limit; send fewer"),
            Self::LineEnd => (400, "line_end", "a line does not end in CR LF; send both bytes, and neither anywhere else"),
            Self::FieldLeadingSpace => (400, "field_leading_space", "the first field line begins with white space; remove it"),
            Self::ObsFold => (400, "obs_fold", "a field is folded over two lines; write it on one line"),
            Self::FieldColon => (400, "field_colon", "a field line has no colon; write `name: value`"),
            Self::FieldName => (400, "field_name", "a field name is empty or holds a byte that is not allowed; use letters, digits and `-`"),
            Self::FieldNameSpace => (400, "field_name_space", "white space stands in a field name or before its colon; remove it"),
            Self::FieldLookalike => (400, "field_lookalike", "a field name with `_` imitates a framing or forwarding field; write it with `-` or leave it out"),
            Self::FieldValue => (400, "field_value", "a field value holds a control character; remove or encode it"),
            Self::ContentLength => (400, "content_length", "content-length is not a plain decimal number in range; send digits without sign, spaces or leading zeros"),
            Self::ContentLengthRepeated => (400, "content_length_repeated", "content-length is given more than once; send it once"),
            Self::LengthAndCoding => (400, "length_and_coding", "both content-length and transfer-encoding are given; send one of them"),
            Self::TransferEncoding => (400, "transfer_encoding", "transfer-encoding is not `chunked`; send exactly that, or a content-length"),
            Self::TransferEncodingRepeated => (400, "transfer_encoding_repeated", "transfer-encoding is given more than once; send it once"),
            Self::TransferEncodingUnknown => (501, "transfer_encoding_unknown", "transfer codings other than `chunked` are not supported; send the body without them"),
            Self::TransferEncodingVersion => (400, "transfer_encoding_version", "an HTTP/1.0 message cannot have transfer-encoding; send a content-length or use HTTP/1.1"),
            Self::Connection => (400, "connection", "connection is not a short list of tokens; send `close` or `keep-alive`"),
            Self::Version => (400, "version", "the first line does not carry a version where it must; use `HTTP/1.1`, one space around each part, and `%20` for a space inside the target"),
            Self::VersionUnsupported => (505, "version_unsupported", "the protocol version is not supported here; use HTTP/1.1"),
            Self::Method => (400, "method", "the request does not begin with a method; send a token such as `GET` and one space"),
            Self::MethodLong => (400, "method_long", "the method is longer than 32 bytes; use a shorter one"),
            Self::MethodConnect => (405, "method_connect", "CONNECT is not allowed: this is a gateway, not a forward proxy; ask for the resource itself"),
            Self::MethodTrace => (405, "method_trace", "TRACE is not allowed; use another method"),
            Self::TargetMissing => (400, "target_missing", "the request has no target; send a path, with one space on each side"),
            Self::TargetLong => (414, "target_long", "the request target is longer than the limit; move data into the body"),
            Self::TargetByte => (400, "target_byte", "the request target holds a byte that is not allowed; percent-encode it, and leave fragments out"),
            Self::TargetEscape => (400, "target_escape", "the path holds an encoded NUL, CR or LF; remove it"),
            Self::TargetForm => (400, "target_form", "the request target is neither a path nor an http URL, or `*` without OPTIONS; send a path"),
            Self::HostMissing => (400, "host_missing", "an HTTP/1.1 request needs a host field; send one"),
            Self::HostRepeated => (400, "host_repeated", "host is given more than once; send it once"),
            Self::HostInvalid => (400, "host_invalid", "the host is not a name or address with an optional port; send for example `shop.example:8080`"),
            Self::HostDiffers => (400, "host_differs", "the host field differs from the host in the request target; make them the same"),
            Self::ExpectUnknown => (417, "expect_unknown", "the expectation is not known here; send `100-continue` or none"),
            Self::Status => (400, "status", "the response does not begin with a status line such as `HTTP/1.1 200 OK`; send one with a status from 100 to 599"),
            Self::StatusBody => (400, "status_body", "a 1xx response or one to CONNECT announces a body; leave content-length and transfer-encoding out"),
            Self::ChunkSize => (400, "chunk_size", "a chunk does not begin with its size in plain hexadecimal; send 1 to 16 digits and CR LF"),
            Self::ChunkExtension => (400, "chunk_extension", "a chunk extension is malformed; send `;name=value` without spaces, or none"),
            Self::ChunkExtensionsLarge => (400, "chunk_extensions_large", "the chunk extensions are larger than the limit; leave them out"),
            Self::ChunkEnd => (400, "chunk_end", "a chunk is not followed by CR LF where its size says it ends; make size and data agree"),
            Self::TrailersLarge => (400, "trailers_large", "the trailer section is larger than the limit; send fewer or shorter fields"),
            Self::BodyTruncated => (400, "body_truncated", "the body ended before its announced end; send all of it"),
        }
    }

    /// A short name that never changes, for logs and metrics: `host_missing`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        self.row().1
    }

    /// What is wrong, and what its sender should do.
    #[must_use]
    pub const fn text(self) -> &'static str {
        self.row().2
    }
}

/// Three errors over one list, so that no caller can answer an upstream's mistake with a client's status.
macro_rules! error {
    ($(#[$doc:meta])+ $name:ident, $fault:ident => $status:expr, $(#[$status_doc:meta])+) => {
        $(#[$doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error("{}", .0.text())]
        pub struct $name(pub(crate) Fault);

        impl $name {
            /// What was wrong.
            #[must_use]
            pub const fn fault(&self) -> Fault {
                self.0
            }

            /// A short name that never changes, for logs and metrics.
            #[must_use]
            pub const fn reason(&self) -> &'static str {
                self.0.reason()
            }

            $(#[$status_doc])+
            #[must_use]
            pub const fn status(&self) -> u16 {
                let $fault = self.0;
                $status
            }
        }

        impl From<Fault> for $name {
            #[inline]
            fn from(fault: Fault) -> Self {
                Self(fault)
            }
        }
    };
}

error!(
    /// A request head that is refused. The connection cannot be used after the answer: nobody knows where the next
    /// request begins.
    RequestError, fault => fault.row().0,
    /// The status of the answer: 400, 405, 414, 417, 431, 501 or 505.
);
error!(
    /// A response head that is refused. The upstream connection must be dropped.
    ResponseError, _fault => 502,
    /// What the client gets: always 502.
);
error!(
    /// A body that breaks its framing. The connection it came on must be dropped.
    BodyError, fault => fault.row().0,
    /// The status of the answer when the body was a request's; a response's head has been sent by then: abort.
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_own_token_and_a_text_that_ends_with_advice() {
        let mut seen = std::collections::HashSet::new();
        for fault in Fault::ALL {
            let (status, reason, text) = fault.row();
            assert!(seen.insert(reason), "{reason} is used twice");
            assert!(reason.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{reason}");
            assert!([400, 405, 414, 417, 431, 501, 505].contains(&status), "{reason}: {status}");
            assert!(text.contains("; ") && !text.ends_with('.'), "{reason}: {text}");
        }
    }

    #[test]
    fn an_upstreams_mistake_is_a_bad_gateway() {
        assert_eq!(ResponseError(Fault::HeadTooLarge).status(), 502);
        assert_eq!(RequestError(Fault::HeadTooLarge).status(), 431);
        assert_eq!(RequestError(Fault::HostMissing).to_string(), Fault::HostMissing.text());
    }
}
