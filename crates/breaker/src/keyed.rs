//! One breaker for each key, and one for all keys that are too many.
//!
//! Keys come from outside (a host, a tenant, a route), so their number has a limit: keys past it share the breaker of
//! the overflow key. A caller that knows its key looks it up once and keeps the handle.

use madang_base::Moment;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt::{self, Debug, Formatter};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{Breaker, OtherBreaker, Settings, Transition};

/// Breakers by key, at most so many.
pub struct Keyed<K> {
    held: RwLock<Held<K>>,
    limit: usize,
    overflow: Arc<Breaker>,
    listener: Option<Arc<Hear<K>>>,
}

struct Held<K> {
    breakers: HashMap<K, Arc<Breaker>>,
    settings: Settings,
}

/// Hears of a transition; the key is `None` for the overflow key.
type Hear<K> = dyn Fn(Option<&K>, &Transition) + Send + Sync;

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Keyed<K> {
    /// No breaker yet but that of the overflow key, and at most `limit` others.
    #[must_use]
    pub fn new(settings: Settings, limit: usize, now: Moment) -> Self {
        Self::with(settings, limit, now, None)
    }

    /// The same, and `listener` hears of every transition, as that of [`Breaker::watched`] does; its key is `None` for the
    /// overflow key.
    #[must_use]
    pub fn watched(
        settings: Settings,
        limit: usize,
        now: Moment,
        listener: impl Fn(Option<&K>, &Transition) + Send + Sync + 'static,
    ) -> Self {
        Self::with(settings, limit, now, Some(Arc::new(listener)))
    }

    fn with(settings: Settings, limit: usize, now: Moment, listener: Option<Arc<Hear<K>>>) -> Self {
        let overflow = Arc::new(breaker(&settings, None, listener.as_ref(), now));
        Self { held: RwLock::new(Held { breakers: HashMap::new(), settings }), limit, overflow, listener }
    }

    /// The breaker of `key`, made now when there is none; that of the overflow key when there are too many.
    pub fn get<Q>(&self, key: &Q, now: Moment) -> Arc<Breaker>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let held = self.read();
        if let Some(found) = held.breakers.get(key) {
            return Arc::clone(found);
        }
        let is_full = held.breakers.len() >= self.limit;
        drop(held);
        if is_full {
            return Arc::clone(&self.overflow);
        }
        let mut held = self.write();
        let Held { breakers, settings } = &mut *held;
        // Another thread may have made it, or the last one there is room for.
        if let Some(found) = breakers.get(key) {
            return Arc::clone(found);
        }
        if breakers.len() >= self.limit {
            return Arc::clone(&self.overflow);
        }
        let key = key.to_owned();
        let made = Arc::new(breaker(settings, Some(&key), self.listener.as_ref(), now));
        breakers.insert(key, Arc::clone(&made));
        made
    }

    /// The breaker that all keys past the limit share.
    #[must_use]
    pub const fn overflow(&self) -> &Arc<Breaker> {
        &self.overflow
    }

    /// All keys with their breakers, in no order; not the overflow key.
    #[must_use]
    pub fn list(&self) -> Vec<(K, Arc<Breaker>)> {
        self.read().breakers.iter().map(|(key, breaker)| (key.clone(), Arc::clone(breaker))).collect()
    }

    /// Forgets the keys that `keep` does not want, which makes room. Handles that callers have go on.
    pub fn retain(&self, keep: impl Fn(&K) -> bool) {
        self.write().breakers.retain(|key, _| keep(key));
    }

    /// Puts other settings in force in all breakers, without losing counts, state or calls under way.
    ///
    /// # Errors
    /// [`OtherBreaker`] when new breakers are needed; then nothing has changed.
    pub fn reload(&self, settings: &Settings, now: Moment) -> Result<(), OtherBreaker> {
        let mut held = self.write();
        self.overflow.reload(settings, now)?;
        for (key, breaker) in &held.breakers {
            breaker.reload(&seeded(settings, Some(key)), now)?;
        }
        held.settings = settings.clone();
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Held<K>> {
        // No step leaves the directory half changed, so a panic elsewhere under the lock spoils nothing.
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held<K>> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Debug for Keyed<K> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("limit", &self.limit).finish_non_exhaustive()
    }
}

fn breaker<K: Hash + Clone + Send + Sync + 'static>(
    settings: &Settings,
    key: Option<&K>,
    listener: Option<&Arc<Hear<K>>>,
    now: Moment,
) -> Breaker {
    let settings = seeded(settings, key);
    let Some(listener) = listener else { return Breaker::new(settings, now) };
    let (listener, key) = (Arc::clone(listener), key.cloned());
    Breaker::watched(settings, now, move |transition| listener(key.as_ref(), transition))
}

/// Breakers of one seed would all try again at once, which the jitter is against.
fn seeded<K: Hash>(settings: &Settings, key: Option<&K>) -> Settings {
    let mut settings = settings.clone();
    if let (Settings::Madang(settings), Some(key)) = (&mut settings, key) {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        settings.seed ^= hasher.finish();
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Outcome, State, madang};
    use std::sync::Mutex;
    use std::time::Duration;

    fn settings() -> Settings {
        Settings::Madang(madang::Settings { consecutive_failures: Some(1), ..madang::Settings::default() })
    }

    fn fail(breaker: &Breaker, now: Moment) {
        breaker.acquire(now).unwrap().end(now, Outcome::Failure, Duration::ZERO);
    }

    #[test]
    fn keys_past_the_limit_share_one_breaker_and_a_forgotten_key_makes_room() {
        let now = Moment::default();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let news = Arc::clone(&heard);
        let listener = move |key: Option<&String>, transition: &Transition| {
            news.lock().unwrap().push((key.cloned(), transition.to));
        };
        let keyed: Keyed<String> = Keyed::watched(settings(), 2, now, listener);
        let orders = keyed.get("orders", now);
        assert!(!Arc::ptr_eq(&orders, &keyed.get("users", now)));
        assert!(Arc::ptr_eq(&orders, &keyed.get("orders", now)));
        let (third, fourth) = (keyed.get("third", now), keyed.get("fourth", now));
        assert!(Arc::ptr_eq(&third, &fourth) && Arc::ptr_eq(&third, keyed.overflow()));
        fail(&orders, now);
        fail(&third, now);
        assert_eq!(keyed.get("users", now).state(now), State::Closed);
        assert_eq!(keyed.get("fifth", now).state(now), State::Open);
        assert_eq!(*heard.lock().unwrap(), [(Some("orders".to_owned()), State::Open), (None, State::Open)]);
        keyed.retain(|key| key == "users");
        assert_eq!(keyed.get("third", now).state(now), State::Closed);
        assert_eq!(keyed.list().len(), 2);
    }

    #[test]
    fn keys_wait_differently_and_a_reload_reaches_all() {
        let now = Moment::default();
        let keyed: Keyed<u32> = Keyed::new(settings(), 100, now);
        let waits = |keyed: &Keyed<u32>| -> Vec<Option<Duration>> {
            (0..3).map(|key| keyed.get(&key, now).enter(now).unwrap_err().retry_after).collect()
        };
        for key in 0..3 {
            fail(&keyed.get(&key, now), now);
        }
        let found = waits(&keyed);
        assert!(found[0] != found[1] && found[1] != found[2], "{found:?}");
        let other = madang::Settings {
            open_max: Duration::from_millis(1),
            open: Duration::from_millis(1),
            ..Default::default()
        };
        keyed.reload(&Settings::Madang(other), now).unwrap();
        assert!((0..3).all(|key| keyed.get(&key, now).enter(now).is_ok()), "longer than it may be now");
        let foreign = Settings::Pybreaker(crate::pybreaker::Settings::default());
        assert_eq!(keyed.reload(&foreign, now), Err(OtherBreaker));
    }
}
