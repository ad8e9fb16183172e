//! The replicas of a provider: which of them answers a request, each with a prompt cache of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::HeaderMap;
use xxhash_rust::xxh3::xxh3_64;

use super::cache::PrefixCache;
use super::options::ProviderOptions;

/// The header by which routers keep the requests of a session at one replica.
const SESSION: &str = "x-session-id";

/// The replicas.
#[derive(Debug)]
pub(crate) struct Replicas {
    caches: Vec<Option<PrefixCache>>,
    next: AtomicUsize,
}

/// What decides which replica answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// Its path names the replica.
    Replica(usize),
    /// It belongs to a session.
    Session(&'a str),
    /// Any replica will do.
    Any,
}

impl<'a> Route<'a> {
    /// The route of a request: by the replica in its path, its session header or its `prompt_cache_key`, in this order.
    pub(crate) fn of(replica: Option<usize>, headers: &'a HeaderMap, cache_key: Option<&'a str>) -> Self {
        let session = headers.get(SESSION).and_then(|value| value.to_str().ok()).or(cache_key);
        replica.map(Self::Replica).or(session.map(Self::Session)).unwrap_or(Self::Any)
    }
}

impl Replicas {
    pub(crate) fn new(options: &ProviderOptions) -> Self {
        let caches = (0..options.replicas).map(|_| PrefixCache::new(options)).collect();
        Self { caches, next: AtomicUsize::new(0) }
    }

    /// Whether there is a replica of this number.
    pub(crate) fn has(&self, replica: usize) -> bool {
        replica < self.caches.len()
    }

    /// The prompt cache of the replica that answers, if it has one.
    pub(crate) fn cache(&self, route: Route<'_>) -> Option<&PrefixCache> {
        let count = self.caches.len();
        let replica = match route {
            Route::Replica(replica) => replica,
            Route::Session(session) => usize::try_from(xxh3_64(session.as_bytes()) % count as u64).unwrap_or(0),
            Route::Any => self.next.fetch_add(1, Ordering::Relaxed) % count,
        };
        self.caches.get(replica)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::CacheRule;

    #[test]
    fn a_session_stays_at_its_replica_and_other_requests_take_turns() {
        let cache = CacheRule::Vllm { block_tokens: 16 };
        let replicas = Replicas::new(&ProviderOptions { replicas: 4, cache, ..ProviderOptions::default() });
        let at = |route: Route<'_>| {
            let cache = replicas.cache(route).unwrap();
            replicas.caches.iter().position(|known| std::ptr::eq(known.as_ref().unwrap(), cache)).unwrap()
        };
        let turns: Vec<_> = (0..8).map(|_| at(Route::Any)).collect();
        assert_eq!(turns, [0, 1, 2, 3, 0, 1, 2, 3]);
        let sessions: Vec<_> = (0..64).map(|session| at(Route::Session(&format!("cell {session}")))).collect();
        let again: Vec<_> = (0..64).map(|session| at(Route::Session(&format!("cell {session}")))).collect();
        assert_eq!(sessions, again);
        assert!((0..4).all(|replica| sessions.contains(&replica)), "sessions are spread");
        assert_eq!(at(Route::Replica(2)), 2);
        assert!(replicas.has(3) && !replicas.has(4));
    }

    #[test]
    fn the_path_goes_before_the_header_and_the_header_before_the_key() {
        let none = HeaderMap::new();
        let with = HeaderMap::from_iter([(SESSION.parse().unwrap(), "a".parse().unwrap())]);
        assert_eq!(Route::of(Some(1), &with, Some("b")), Route::Replica(1));
        assert_eq!(Route::of(None, &with, Some("b")), Route::Session("a"));
        assert_eq!(Route::of(None, &none, Some("b")), Route::Session("b"));
        assert_eq!(Route::of(None, &none, None), Route::Any);
    }
}
