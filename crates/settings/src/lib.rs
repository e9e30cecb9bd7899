//! Settings as a tree of values that remember where each came from.
//!
//! [`load`] reads a TOML file and lays variables and `--set` flags over it. The crates that own a section read it
//! with [`Fields`], which asks for one key after the other and reports what is wrong *without stopping*: a person
//! sees every problem of a file at once, each with its file, line, nearest spelling and code. That is why nothing
//! here goes through serde, which stops at the first error and loses the place.
//!
//! ```
//! use madang_settings::{Fields, Problems, parse};
//!
//! let root = parse("[gateway]\nworkers = 2\ntimout = \"2s\"\n", "madang.toml".as_ref()).unwrap();
//! let mut problems = Problems::new();
//! let mut top = Fields::new(&root, "", &mut problems).unwrap();
//! let mut gateway = top.table("gateway", &mut problems).unwrap();
//! assert_eq!(gateway.integer("workers", 1..=1024, &mut problems), Some(2_u32));
//! assert_eq!(gateway.duration("timeout", &mut problems), None);
//! gateway.finish(&mut problems);
//! top.finish(&mut problems);
//! assert!(problems.to_string().starts_with(
//!     "error: `timout` is not a setting of `gateway`\n  --> madang.toml:3:1, gateway.timout\nhint: did you mean `timeout`?"
//! ));
//! ```

mod changes;
pub mod codes;
mod convert;
mod document;
mod duplicates;
mod fields;
mod key;
mod load;
mod origin;
mod outline;
mod overlay;
mod problem;
mod syntax;
mod tree;

pub use changes::changed_keys;
pub use fields::Fields;
pub use key::{Applies, Key};
pub use load::{load, parse};
pub use origin::Origin;
pub use problem::{Problem, Problems, Severity, Style};
pub use tree::{Node, Value, dotted};
