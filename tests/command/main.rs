//! Drives the built command as a user does: in a folder of its own, with real servers on this machine.
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]

mod budget;
mod certificates;
mod check;
mod completions;
mod corruptions;
mod cost;
mod demo;
mod estimate;
mod experiments;
mod full_size;
mod groups;
mod help;
mod hostile_words;
mod leave_results;
mod manifest_1;
mod methods;
mod mistakes;
#[cfg(target_os = "linux")]
mod no_locks;
mod orders;
mod output;
mod page;
mod parse;
mod prices;
mod provider_cases;
mod provider_mistakes;
mod proxy;
mod rag;
mod reference_prompts;
mod replicas;
mod report;
mod resume;
mod reuse;
mod rounds;
mod run_folder;
mod same_results;
mod samples;
mod servers;
mod settings;
mod support;
mod survey_extracts;
mod survey_mistakes;
mod verify;
mod when;
