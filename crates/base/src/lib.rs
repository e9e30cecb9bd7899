//! Values every part of the house shares and that know no part of it.
//!
//! Entry rule: three users, and no word of any domain.
//!
//! ```
//! use madang_base::{nearest, parse_duration};
//! assert_eq!(parse_duration("1.5s").unwrap().as_millis(), 1500);
//! assert_eq!(nearest("instnces", ["instances", "health"]), Some("instances"));
//! ```

mod code;
mod moment;
mod name;
mod nearest;
mod random;
mod units;

pub use code::Code;
pub use moment::Moment;
pub use name::{Name, NameError};
pub use nearest::nearest;
pub use random::Random;
pub use units::{UnitError, format_duration, format_size, parse_duration, parse_size};
