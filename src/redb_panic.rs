//! Turns panics of the database about a damaged file into errors.
//!
//! The database checks most of what it reads. It panics on some damaged files, with a message that means nothing to the users of
//! this program.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use valuesim_coordinator::kept_replies::reads_earlier_run;
use valuesim_coordinator::ledger::{Ledger, LedgerError};

use crate::exit::{Exit, Failure};
use crate::run_folder::RunFolder;

/// Runs `work` on the ledger of a run folder. If the database panics, on any thread, returns an error in place of the panic
/// and its message; other panics continue.
pub(crate) fn guarded<T>(folder: &RunFolder, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let damage_seen = Arc::new(AtomicBool::new(false));
    let former = Arc::new(take_hook());
    let (seen, others) = (Arc::clone(&damage_seen), Arc::clone(&former));
    set_hook(Box::new(move |panic| {
        // Whoever reads that says what is left out.
        if reads_earlier_run() && comes_from_the_database(panic) {
            return;
        }
        if comes_from_the_database(panic) {
            seen.store(true, Ordering::Relaxed);
        }
        // Threads that wait for the one that panicked panic as well, with less information.
        if !seen.load(Ordering::Relaxed) {
            others(panic);
        }
    }));
    let outcome = catch_unwind(AssertUnwindSafe(work));
    let outcome = match outcome {
        Ok(Ok(value)) => Ok(value),
        _ if damage_seen.load(Ordering::Relaxed) => Err(damage(folder)),
        Ok(Err(failure)) => Err(failure),
        Err(panic) => resume_unwind(panic),
    };
    set_hook(Box::new(move |panic| former(panic)));
    outcome
}

fn comes_from_the_database(panic: &PanicHookInfo<'_>) -> bool {
    let is_its_folder = |name: &str| name == "redb" || name.starts_with("redb-");
    panic
        .location()
        .is_some_and(|location| Path::new(location.file()).iter().any(|part| part.to_str().is_some_and(is_its_folder)))
}

/// What is wrong with the ledger, as far as it can be determined.
fn damage(folder: &RunFolder) -> Failure {
    let ledger = folder.ledger();
    let error = match catch_unwind(|| Ledger::view(&ledger).map(drop)) {
        Ok(Err(error)) if !matches!(error, LedgerError::InUse(_)) => error.into(),
        _ => anyhow!("the ledger {} is damaged: restore it from a copy", ledger.display()),
    };
    Failure { exit: Exit::Failed, error, note: None }
}
