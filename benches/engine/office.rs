//! What the permit office costs: the engine with it, and with one that grants everything.
//!
//! Both are this program in another role, put together alike from coordinator, worker, queue and store; they differ in
//! nothing but the office. They take turns, so that noise of the machine meets both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use valuesim_coordinator::coordinator::Coordinator;
use valuesim_coordinator::ledger::Ledger;
use valuesim_coordinator::plan::Plan;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::{Experiment, Users};
use valuesim_shared::id::RunId;
use valuesim_shared::manifest::Manifest;
use valuesim_shared::method::Method;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::permit::{CircuitPauses, Limits, PermitOffice, QuotaOffice};
use valuesim_shared::queue::MemoryQueue;
use valuesim_shared::store::EmbeddedStore;
use valuesim_simulator::synth::Synth;
use valuesim_worker::config::WorkerConfig;
use valuesim_worker::timeouts::Timeouts;
use valuesim_worker::worker::Worker;

use crate::cpu::cpu_seconds;
use crate::open_office::OpenOffice;
use crate::process::{Provider, finish, this_program};
use crate::table::{Bound, Table, median};

/// Runs with each office.
const ROUNDS: usize = 7;

/// Respondents of a run: about 87,500 calls.
const RESPONDENTS: u32 = 100;

const IN_FLIGHT: [u32; 2] = [64, 512];

/// The office's greatest share of the CPU for a call, and of the calls per second.
const MAX_SHARE: f64 = 0.05;

/// A limit that is counted and never reached.
const CALLS_A_MINUTE: u32 = 100_000_000;

/// What a run took.
#[derive(Debug, Clone, Copy)]
struct Cost {
    cpu_ms_per_call: f64,
    calls_per_second: f64,
}

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(Duration::ZERO)?;
    for in_flight in IN_FLIGHT {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            // Neither is always the second one.
            let order = if round % 2 == 0 { ["quota", "open"] } else { ["open", "quota"] };
            for office in order {
                let costs = if office == "open" { &mut without } else { &mut with };
                costs.push(cost(&provider, office, in_flight)?);
            }
        }
        add(table, in_flight, &with, &without);
    }
    Ok(())
}

fn add(table: &mut Table, in_flight: u32, with: &[Cost], without: &[Cost]) {
    let at = format!("{in_flight} in flight:");
    let middle = |costs: &[Cost], figure: fn(&Cost) -> f64| median(costs.iter().map(figure).collect());
    let of_pairs = |ratio: fn(&Cost, &Cost) -> f64| {
        median(with.iter().zip(without).map(|(with, without)| ratio(with, without)).collect())
    };
    table.add(format!("{at} CPU per call, ms"), middle(with, |cost| cost.cpu_ms_per_call), Bound::None);
    table.add(format!("{at} without the office, ms"), middle(without, |cost| cost.cpu_ms_per_call), Bound::None);
    let share = of_pairs(|with, without| 1.0 - without.cpu_ms_per_call / with.cpu_ms_per_call);
    table.add(format!("{at} the office's share of the CPU for a call"), share, Bound::AtMost(MAX_SHARE));
    table.add(format!("{at} calls per second"), middle(with, |cost| cost.calls_per_second), Bound::None);
    table.add(format!("{at} without the office"), middle(without, |cost| cost.calls_per_second), Bound::None);
    let lost = of_pairs(|with, without| 1.0 - with.calls_per_second / without.calls_per_second);
    table.add(format!("{at} calls per second lost to the office, share"), lost, Bound::AtMost(MAX_SHARE));
}

fn cost(provider: &Provider, office: &str, in_flight: u32) -> anyhow::Result<Cost> {
    let before = provider.answered()?.calls;
    let command = this_program(&["as-office", office, &provider.base_url, &in_flight.to_string()])?;
    let (_, output) = finish(command)?;
    let calls = provider.answered()?.calls - before;
    let (cpu, seconds) = output.trim().split_once(' ').context("read what the run printed")?;
    let (cpu, seconds): (f64, f64) = (cpu.parse()?, seconds.parse()?);
    println!(
        "{in_flight} in flight, {office}: {calls} calls, {:.4} ms of CPU each, {:.0} a second",
        cpu / calls * 1e3,
        calls / seconds
    );
    Ok(Cost { cpu_ms_per_call: cpu / calls * 1e3, calls_per_second: calls / seconds })
}

/// The role of the child process: makes a run's calls and prints the CPU seconds and the seconds that they took.
#[tokio::main]
pub(crate) async fn run(office: &str, base_url: &str, in_flight: &str) -> anyhow::Result<()> {
    // Fails if a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let in_flight = in_flight.parse()?;
    let mut model = ModelSettings::named("m");
    model.base_url = Some(base_url.to_owned());
    model.limits =
        Limits { calls_in_flight: in_flight, requests_per_minute: Some(CALLS_A_MINUTE), ..Limits::default() };
    let mut experiment = Experiment { methods: vec![Method::ValueSim], models: vec![model], ..Experiment::default() };
    experiment.sample.users = Some(Users::Count(RESPONDENTS));
    match office {
        "open" => make_calls(&experiment, in_flight, OpenOffice { in_flight }).await,
        _ => make_calls(&experiment, in_flight, QuotaOffice::local(CircuitPauses::default())).await,
    }
}

async fn make_calls(experiment: &Experiment, in_flight: u32, office: impl PermitOffice) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (run, codebook) = (RunId("bench".to_owned()), Codebook::built_in());
    let survey = Synth { respondents: RESPONDENTS, seed: 0 }.survey();
    let plan = Plan::new(experiment, &survey, &codebook)?;
    let ledger = Arc::new(Ledger::open(&folder.path().join("ledger.redb"), &run)?);
    let window = in_flight as usize * 2;
    let sides = (MemoryQueue::new(window), EmbeddedStore::open(&folder.path().join("store"))?);
    let manifest = Manifest::of(run, experiment, codebook);
    let coordinator = Coordinator::new(&manifest, Arc::new(plan), Arc::new(survey), ledger, sides.clone(), window)?;
    let (queue, store) = sides;
    let worker = Worker::of_manifest(manifest, (queue, store, office), WorkerConfig::alone(Timeouts::default(), 0))?;
    let (start, (before, _)) = (Instant::now(), cpu_seconds("self")?);
    let (never, done) = (CancellationToken::new(), CancellationToken::new());
    let coordinating = async {
        let end = coordinator.run(&never).await;
        done.cancel();
        end
    };
    let (end, worked) = tokio::join!(coordinating, worker.work(&done));
    end?;
    worked?;
    println!("{} {}", cpu_seconds("self")?.0 - before, start.elapsed().as_secs_f64());
    Ok(())
}
