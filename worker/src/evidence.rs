//! What the calls of a process tell about an endpoint and model: whether it answers, so that whose fault a failure is can be
//! decided from evidence.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use valuesim_shared::counted::Counted;
use valuesim_shared::permit::Endpoint;

/// So many replies of one kind are worth a word.
const WORTH_A_WORD: u32 = 20;

/// What is known of one endpoint and model.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// Calls that this process made and that were answered.
    answered: AtomicU64,
    /// Calls that failed although a call may pass.
    failed: AtomicU64,
    /// Whether calls were answered before this process made any, as a run knows that has finished cells.
    answered_before: AtomicBool,
    /// Responses since the last chat completion that were none.
    malformed: AtomicU32,
    /// Calls that are not decided.
    open: AtomicU32,
    /// Those of them whose prompts were not taken, while it is not clear whether any is.
    held: AtomicU32,
    /// Replies without text, but with reasoning.
    only_reasoning: AtomicU32,
    /// Held by whoever asks a probe.
    pub(crate) probing: tokio::sync::Mutex<()>,
}

/// How many calls of one endpoint and model were answered and failed so far.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) answered: u64,
    pub(crate) failed: u64,
}

impl Evidence {
    /// Records that a call was answered.
    pub(crate) fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if self.malformed.load(Ordering::Relaxed) > 0 {
            self.malformed.store(0, Ordering::Relaxed);
        }
    }

    /// Records that a call failed for which the prompt or the provider may be at fault.
    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Records a response that is no chat completion. Returns how many came in a row.
    pub(crate) fn malformed(&self) -> u32 {
        self.malformed.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Records a reply without text, but with reasoning. Returns whether there are now so many that it is worth a word.
    pub(crate) fn only_reasoning(&self) -> bool {
        self.only_reasoning.fetch_add(1, Ordering::Relaxed) + 1 == WORTH_A_WORD
    }

    /// Records that calls were answered before this process made any.
    pub(crate) fn was_answered_before(&self) {
        self.answered_before.store(true, Ordering::Relaxed);
    }

    /// Whether any call was ever answered, by this process or before it.
    pub(crate) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed) > 0 || self.answered_before.load(Ordering::Relaxed)
    }

    /// The counts now.
    pub(crate) fn seen(&self) -> Seen {
        Seen { answered: self.answered.load(Ordering::Relaxed), failed: self.failed.load(Ordering::Relaxed) }
    }

    /// Counts a call as open until the guard is dropped.
    pub(crate) fn open(&self) -> Counted<'_> {
        Counted::new(&self.open)
    }

    /// Counts a call as held until the guard is dropped.
    pub(crate) fn hold(&self) -> Counted<'_> {
        Counted::new(&self.held)
    }

    /// How many calls are held.
    pub(crate) fn held(&self) -> u32 {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether all open calls are held.
    pub(crate) fn only_held(&self) -> bool {
        self.held() >= self.open.load(Ordering::Relaxed)
    }
}

/// The evidence about all endpoints and models that a process calls. Clones share it.
#[derive(Debug, Default, Clone)]
pub struct EvidenceBook(Arc<Mutex<Book>>);

/// By endpoint and name of the model.
type Book = HashMap<(Endpoint, String), Arc<Evidence>>;

impl EvidenceBook {
    /// The evidence about one endpoint and model.
    pub(crate) fn about(&self, endpoint: Endpoint, model: &str) -> Arc<Evidence> {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(book.entry((endpoint, model.to_owned())).or_default())
    }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::permit::KeyName;

    use super::*;

    #[test]
    fn runs_share_what_is_known_of_the_same_endpoint_and_model() {
        let book = EvidenceBook::default();
        let about = |address: &str, model: &str| book.about(Endpoint::new(address, KeyName::None), model);
        about("http://one", "m").answered();
        assert!(about("http://one", "m").has_answered());
        assert!(!about("http://one", "n").has_answered() && !about("http://other", "m").has_answered());
    }

    #[test]
    fn calls_are_counted_until_they_are_decided() {
        let evidence = Evidence::default();
        let (one, other) = (evidence.open(), evidence.open());
        let held = evidence.hold();
        assert!(evidence.held() == 1 && !evidence.only_held());
        drop(other);
        assert!(evidence.only_held());
        drop((one, held));
        assert_eq!(evidence.held(), 0);
    }
}
