//! The codes of this crate: MD0001 to MD0099.

use madang_base::Code;

/// Every code of this crate.
pub const ALL: &[&Code] = &[
    &UNREADABLE,
    &SYNTAX,
    &UNKNOWN_KEY,
    &WRONG_TYPE,
    &OUT_OF_RANGE,
    &BAD_VALUE,
    &MISSING_KEY,
    &DUPLICATE_KEY,
    &TOO_LARGE,
    &BAD_OVERLAY,
];

/// The file is not there or cannot be read.
pub const UNREADABLE: Code = Code {
    id: "MD0001",
    title: "settings file unreadable",
    explanation: "Madang could not read its settings file. Without a path it looks for `madang.toml` in the current folder; \
        `madang init` writes one that fits the folder. If the file is there, check that you may read it (`ls -l`) and that it is a file \
        and not a folder.",
};

/// The text is not TOML.
pub const SYNTAX: Code = Code {
    id: "MD0002",
    title: "not valid TOML",
    explanation: "The settings file is not valid TOML at the place shown; the lines after it were read as well, so every such place is \
        listed at once. Most often a text lacks its quotes (`command = \"node app.js\"`), a quote or bracket is not closed, or a date \
        stands without quotes. The format is described at <https://toml.io>.",
};

/// Nobody reads this key.
pub const UNKNOWN_KEY: Code = Code {
    id: "MD0003",
    title: "unknown setting",
    explanation: "A key was written that Madang does not know at this place, so it would have had no effect. The hint names the nearest \
        key that exists, or lists the keys allowed here. Check the spelling, and check the table it stands in: in TOML every line after \
        `[services.orders]` belongs to that table until the next header.",
};

/// A number where a text is expected, and the like.
pub const WRONG_TYPE: Code = Code {
    id: "MD0004",
    title: "wrong type of value",
    explanation: "The setting exists, but its value has another type than it needs: a text instead of a number, a single value instead of \
        a table, and so on. The message says what was found and the hint shows a value that works. In a file texts stand in quotes while \
        numbers, `true` and `false` do not; in variables and `--set` flags the quotes may be left out.",
};

/// The number, duration or size is outside its range.
pub const OUT_OF_RANGE: Code = Code {
    id: "MD0005",
    title: "value out of range",
    explanation: "The value has the right type, but is smaller or larger than this setting allows. The message names the range, both \
        ends included. Ranges protect against slips of the pen, like a timeout in days or a thousand instances.",
};

/// The text does not have the form the setting needs.
pub const BAD_VALUE: Code = Code {
    id: "MD0006",
    title: "value not understood",
    explanation: "The value is a text, as it should be, but not of the form this setting needs. Durations and sizes carry a unit \
        (`\"10s\"`, `\"64MiB\"`); addresses are an IP address and a port (`\"127.0.0.1:8080\"`, `\"[::1]:8080\"`); names are letters, \
        digits, `-`, `_` and `.`; a choice is one of the words in the hint.",
};

/// A key that must be there is not.
pub const MISSING_KEY: Code = Code {
    id: "MD0007",
    title: "setting missing",
    explanation: "A table lacks a key it cannot do without. The place shown is the table; the hint has a line to start from. If the line \
        is there, check that it does not stand below the header of another table.",
};

/// The same key twice.
pub const DUPLICATE_KEY: Code = Code {
    id: "MD0008",
    title: "setting written twice",
    explanation: "The same key or table was written twice, and TOML does not say which one would count. Both places are shown where they \
        are known; remove one of them. To add an entry to a list of tables write double brackets, as in `[[routes]]`.",
};

/// The file is too long, or nested too deeply.
pub const TOO_LARGE: Code = Code {
    id: "MD0009",
    title: "settings too large",
    explanation: "Settings files are read up to 4 MiB, and values nested up to 64 levels deep; this bounds the memory a damaged or \
        mistaken file can take. No sensible file comes near: look for something generated, or for the wrong file.",
};

/// A variable or `--set` flag that cannot be applied.
pub const BAD_OVERLAY: Code = Code {
    id: "MD0010",
    title: "variable or flag not applicable",
    explanation: "A variable `MADANG_<SECTION>__<KEY>` or a flag `--set section.key=value` does not name a place in the settings: a part \
        of the name is empty, the `=` is missing, a list has no such entry, or the name goes on below a value that is not a table. Two \
        underscores stand for the dot (`MADANG_SERVICES__ORDERS__INSTANCES=3`), list entries count from 0 (`--set routes.0.to=...`), and \
        variables without `__` are none of these and are left alone.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_explained() {
        let mut ids: Vec<&str> = ALL.iter().map(|code| code.id).collect();
        ids.dedup();
        assert_eq!(ids.len(), ALL.len());
        for code in ALL {
            assert!(code.id.starts_with("MD00") && code.id.len() == 6, "{code}");
            assert!(code.explanation.len() > 150, "{code} explains too little");
        }
    }
}
