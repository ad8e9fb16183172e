//! Whether the disk has room for a run.

use std::path::Path;

use valuesim_coordinator::estimate::Estimate;

use super::finding::{Finding, Grade, Group};
use crate::commands::job::Job;
use crate::disk_room::{free, needed, shown, used};

/// What was found about the folder of the runs.
pub(super) fn check(runs: &Path, job: &Job, estimate: &Estimate) -> Group {
    let there = used(&runs.join(&job.run.0));
    let needed = needed(&job.experiment, &job.plan, estimate).saturating_sub(there);
    let finding = match free(runs) {
        Err(error) => Finding::new(Grade::Unknown, "room", error.to_string(), "name a folder with --runs"),
        Ok(free) if free < needed => Finding::new(
            Grade::Bad,
            "room",
            format!("{} free, and the run needs about {}", shown(free), shown(needed)),
            "make room, or put the runs elsewhere with --runs",
        ),
        Ok(free) => Finding::good("room", format!("{} free; the run needs about {}", shown(free), shown(needed))),
    };
    Group { about: format!("disk of {}", runs.display()), findings: vec![finding] }
}
