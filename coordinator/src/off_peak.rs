//! Waits for the hours in which a model is cheapest.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use valuesim_shared::counted::Counted;
use valuesim_shared::id::ModelId;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::Tokens;
use valuesim_shared::price::Price;

/// How long to sleep at most before the clock is looked at again: a machine may have been suspended meanwhile.
const LOOKS_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// An ordinary call about a question.
const ORDINARY: Tokens = Tokens { input: 3_000, cached: 2_500, cache_write: 0, output: 130, reasoning: 0 };

/// Lets cells begin in a model's cheapest hours alone.
#[derive(Debug)]
pub struct OffPeak {
    /// By model: its name, and its price if that depends on the hour.
    models: Vec<(String, Option<Price>)>,
    /// Tells people that cells wait.
    tell: fn(&str),
    /// Models whose cells wait.
    waiting: AtomicU32,
}

/// How long cells that begin at `now` would wait for the cheapest hours of a price.
pub fn wait(price: &Price, now: SystemTime) -> Duration {
    price.until_cheapest(ORDINARY, now)
}

/// When cells that take so long end, from `now`, if they begin in the cheapest hours of a price alone.
pub fn ends_after(price: &Price, now: SystemTime, takes: Duration) -> Duration {
    price.until_cheap_hours_passed(ORDINARY, now, takes)
}

/// Whether the price depends on the hour.
pub fn depends_on_the_hour(price: &Price, now: SystemTime) -> bool {
    price.depends_on_the_hour(ORDINARY, now)
}

impl OffPeak {
    /// For the models of a run, in the order of their ids.
    pub fn of(models: &[ModelSettings], tell: fn(&str)) -> Self {
        let now = SystemTime::now();
        let price = |model: &ModelSettings| model.price.clone().filter(|price| depends_on_the_hour(price, now));
        Self {
            models: models.iter().map(|model| (model.name.clone(), price(model))).collect(),
            tell,
            waiting: AtomicU32::new(0),
        }
    }

    /// Whether cells of a model wait.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Returns in the model's cheapest hours.
    pub(crate) async fn reached(&self, model: ModelId) {
        let Some((name, Some(price))) = self.models.get(usize::from(model.0)) else { return };
        let mut counted = None;
        loop {
            let left = wait(price, SystemTime::now());
            if left.is_zero() {
                return;
            }
            counted.get_or_insert_with(|| {
                let minutes = left.as_secs().div_ceil(60);
                (self.tell)(&format!(
                    "{name} is dearer at this hour: new cells wait {minutes} minutes (--when off-peak); cells in progress go on"
                ));
                Counted::new(&self.waiting)
            });
            tokio::time::sleep(left.min(LOOKS_AGAIN_AFTER)).await;
        }
    }
}
