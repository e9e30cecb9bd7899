//! The codes of this crate: MD0700 to MD0799.

use madang_base::Code;

/// Every code of this crate.
pub const ALL: &[&Code] = &[
    &IN_USE,
    &DAMAGED,
    &NEWER,
    &UNUSABLE,
    &FULL,
    &FAILED,
    &TOO_MANY_OPERATIONS,
    &TOO_LARGE,
    &KEY_TWICE,
    &EMPTY_KEY,
    &NO_LEASE,
    &COMPACTED,
    &BEHIND,
    &ENDED,
];

/// Another process has the file.
pub const IN_USE: Code = Code {
    id: "MD0701",
    title: "store in use",
    explanation: "Two Madangs on one store would overwrite each other's writes, so the second one is refused. The first one holds a lock \
        on `store.redb.owner`, beside the store; the lock ends with its process, so a file left behind by a crash is in nobody's way. \
        Use the one that runs, stop it, or give the second one a data folder of its own.",
};

/// The file is not what was written.
pub const DAMAGED: Code = Code {
    id: "MD0702",
    title: "store damaged",
    explanation: "The store's file does not hold what Madang wrote: a checksum does not fit, or something else wrote to it. It was not \
        changed. Put a copy back, or move the file away; Madang begins with an empty store then, and what was in it (run-time \
        changes such as `madang scale`) is gone. A disk that damages files should be looked at.",
};

/// A later version wrote the file.
pub const NEWER: Code = Code {
    id: "MD0703",
    title: "store of a later version",
    explanation: "A later version of Madang wrote this store, in a layout this version does not know. It was not changed. Start that \
        version or a later one, or give this one a data folder of its own.",
};

/// The system refuses the file.
pub const UNUSABLE: Code = Code {
    id: "MD0704",
    title: "store unusable",
    explanation: "The operating system refused to open, read or create the store's file or its folder; its own words follow. Usually the \
        permissions or the path are wrong, or the disk is full.",
};

/// The memory cap is reached.
pub const FULL: Code = Code {
    id: "MD0705",
    title: "store full",
    explanation: "A store keeps a full copy of itself in memory, 256 MiB at most. A write that would take it beyond is refused; deletes \
        and reads go on. Delete what is not needed any more. The store is for settings and state, not for large data.",
};

/// Writing failed.
pub const FAILED: Code = Code {
    id: "MD0706",
    title: "store takes no writes",
    explanation: "Writing to the store's file failed: most often the disk is full. What was acknowledged before is safe, reads and \
        watches go on, and every further write is refused until Madang is started again. A write that was refused with this code at \
        that very moment may be there after the start. Make room on the disk and start Madang again.",
};

/// Too many operations in one transaction.
pub const TOO_MANY_OPERATIONS: Code = Code {
    id: "MD0707",
    title: "too many operations in a transaction",
    explanation: "A transaction has at most 128 compares and 128 operations in each of its two lists, as in etcd. Nothing of it was done. \
        Split it.",
};

/// Too many bytes in one transaction.
pub const TOO_LARGE: Code = Code {
    id: "MD0708",
    title: "transaction too large",
    explanation: "The keys and values of one transaction are at most 1.5 MiB together, as in etcd. Nothing of it was done. Split it, or \
        keep large values elsewhere.",
};

/// A key twice in one transaction.
pub const KEY_TWICE: Code = Code {
    id: "MD0709",
    title: "key written twice in a transaction",
    explanation: "A transaction puts each key at most once, and does not put a key that it also deletes, as in etcd. Nothing of it was \
        done. Keep only the last of the two.",
};

/// A key of no bytes.
pub const EMPTY_KEY: Code = Code {
    id: "MD0710",
    title: "empty key",
    explanation: "A key has at least one byte, as in etcd. Nothing of the transaction was done.",
};

/// No such lease.
pub const NO_LEASE: Code = Code {
    id: "MD0711",
    title: "no such lease",
    explanation: "The lease ended because nobody kept it alive in time, it was revoked, or it never was. Its keys are gone. Ask for a new \
        one and put the keys again.",
};

/// A watch needs what is forgotten.
pub const COMPACTED: Code = Code {
    id: "MD0712",
    title: "changes forgotten",
    explanation: "A store remembers its last 10,000 changes, for ten minutes, and none from before its start. A watch that needs an \
        older one, because it is slow or began far back, is told so. Read the range again and watch from the next revision.",
};

/// A revision from elsewhere.
pub const BEHIND: Code = Code {
    id: "MD0713",
    title: "revision not known here",
    explanation: "A read asked for at least a revision that this store did not reach in time. The revision is of another store, the store \
        was replaced by an older copy, or the connection to it is slow. Read what is known here, or ask again.",
};

/// The store was closed.
pub const ENDED: Code = Code {
    id: "MD0714",
    title: "store closed",
    explanation: "Madang is on its way out, and its store is closed. Nothing was done.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_each_stands_once() {
        assert!(ALL.iter().all(|code| code.id.starts_with("MD07") && code.explanation.len() > 60));
        let mut ids: Vec<_> = ALL.iter().map(|code| code.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ALL.len());
    }
}
