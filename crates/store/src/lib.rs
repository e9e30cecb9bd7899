//! A revisioned key-value store with transactions, watch and leases: etcd's data model.
//!
//! Every write gets the next [`Revision`]; a key knows at which revision it was created and last changed; a [`Watch`]
//! gives every change of a prefix once and in order. A [`Store`] is a handle to a [`Backend`]: [`embedded`] keeps
//! everything in one file and a full copy in memory, so that reads never leave the process.
//!
//! ```
//! use madang_store::{Compare, KeyRange, Op, Options, Read, Txn, embedded};
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let store = embedded::open(&folder.path().join("store.redb"), Options::default())?;
//! let mut watch = store.watch("config/", store.revision().next())?;
//! // Create `config/a` unless somebody has.
//! let txn = Txn::new().when(Compare::absent("config/a")).then(Op::put("config/a", "1"));
//! let answer = store.txn(txn).await?;
//! assert!(answer.succeeded);
//! assert_eq!(watch.next().await?.revision, answer.revision);
//! let found = store.range(KeyRange::prefix("config/"), Read::AtLeast(answer.revision)).await?;
//! assert_eq!(found.items[0].value, "1");
//! # store.close().await; Ok(()) }
//! ```
//!
//! Reading order: `model`, `txn`, `store`, `watch`, `error`, `clock`, then [`embedded`].

mod clock;
pub mod codes;
pub mod embedded;
mod error;
mod model;
mod store;
mod txn;
mod watch;

pub use clock::{Clock, ManualClock};
pub use embedded::{History, Options};
pub use error::{OpenError, StoreError, WatchError};
pub use model::{Change, Event, Item, KeyRange, LeaseId, Revision};
pub use store::{Answer, Backend, Read, Store};
pub use txn::{Compare, MAX_OPERATIONS, MAX_TXN_BYTES, Op, OpAnswer, RangeAnswer, Relation, Target, Txn, TxnAnswer};
pub use watch::{Source, Watch};
