//! `valuesim simulate-provider`: serves the simulated provider until interrupted.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use secrecy::SecretString;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::small_file::{MAX_EXPERIMENT_FILE, read_text};
use valuesim_simulator::provider::{CacheRule, Case, Cases, Latency, LimitRule, Provider, ProviderOptions, TokenCount};

use crate::exit::{Exit, Failure, OrUsage as _};
use crate::interrupt::Signals;
use crate::output::print;
use crate::runtime::on_half_the_cores;

/// What `valuesim simulate-provider` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Address to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8400")]
    listen: SocketAddr,

    /// Seed for replies and faults
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,

    /// Another codebook, for runs whose questions are worded differently
    #[arg(long, value_name = "FILE")]
    codebook: Option<PathBuf>,

    /// Latency of a reply, in milliseconds; the median with --latency-sigma
    #[arg(long, value_name = "MS", default_value_t = 0, help_heading = "Speed")]
    latency_ms: u64,

    /// Draw latencies from a lognormal distribution with this sigma
    #[arg(long, value_name = "SIGMA", requires = "latency_ms", help_heading = "Speed")]
    latency_sigma: Option<f64>,

    /// Maximum requests in the window; more are answered with 429
    #[arg(long, value_name = "N", help_heading = "Limits")]
    requests_per_minute: Option<u32>,

    /// Maximum tokens in the window; more are answered with 429
    #[arg(long, value_name = "N", help_heading = "Limits")]
    tokens_per_minute: Option<u64>,

    /// Maximum calls in flight; more are answered with 429
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_in_flight: Option<u32>,

    /// Length of the limits' sliding window, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, help_heading = "Limits")]
    window: f64,

    /// How limits per minute are counted
    #[arg(long, value_enum, default_value_t = Rule::SlidingWindow, help_heading = "Limits")]
    limit_rule: Rule,

    /// Count refused calls against the limit of requests
    #[arg(long, help_heading = "Limits")]
    count_refused: bool,

    /// Which tokens of a call count when it arrives
    #[arg(long, value_enum, default_value_t = Count::Used, help_heading = "Limits")]
    token_count: Count,

    /// Send no headers that state the limits
    #[arg(long, help_heading = "Limits")]
    no_limit_headers: bool,

    /// Do not say when to retry a refused call
    #[arg(long, help_heading = "Limits")]
    no_retry_after: bool,

    /// The only key to accept [default: any]
    #[arg(
        long,
        value_name = "KEY",
        env = "VALUESIM_SIMULATOR_API_KEY",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    api_key: Option<String>,

    /// The only models to serve [default: any]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', help_heading = "Limits")]
    models: Vec<String>,

    /// Share of calls answered with 500 or 503
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, help_heading = "Faults")]
    error_rate: f64,

    /// Share of calls never answered
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, help_heading = "Faults")]
    hang_rate: f64,

    /// Share of calls whose connection is cut
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, help_heading = "Faults")]
    cut_rate: f64,

    /// Share of calls refused with 429 whatever the limits, as where others use the same key
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, help_heading = "Faults")]
    rate_limited_rate: f64,

    /// Share of prompts whose reply is unreadable
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, help_heading = "Faults")]
    malformed_rate: f64,

    /// Share of prompts whose reply is cut off at the length limit
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, help_heading = "Faults")]
    truncated_rate: f64,

    /// Share of prompts refused for policy reasons
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, help_heading = "Faults")]
    refusal_rate: f64,

    /// Share of prompts always answered with 400
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, help_heading = "Faults")]
    bad_request_rate: f64,

    /// Kind of prefix cache to simulate
    #[arg(long, value_enum, default_value_t = Cache::None, help_heading = "Cache")]
    cache: Cache,

    /// Tokens per block of the vLLM cache
    #[arg(long, value_name = "N", default_value_t = 16, help_heading = "Cache")]
    cache_block_tokens: u32,

    /// Replicas, each with a prefix cache of its own. Requests with the same `x-session-id` header or `prompt_cache_key` get the
    /// same one; `/replicas/N/v1` is the base URL of one, from 0
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Cache")]
    replicas: u32,

    /// Lengthen analyses and backstories: twice as long on median, lognormal with this sigma
    #[arg(long, value_name = "SIGMA", conflicts_with = "fixed_reply")]
    reply_sigma: Option<f64>,

    /// Play the answers of other providers: a TOML file with a [[case]] for each, which says `name`, `to` (all, one, some), `status`
    /// and `body`. `/cases/N/v1` is the base URL of case N; a single one is played at the ordinary one, too
    #[arg(long, value_name = "FILE", help_heading = "Faults")]
    replay: Option<PathBuf>,

    /// Answer every call with this many bytes of fixed text, to measure a client's speed
    #[arg(long, value_name = "BYTES")]
    fixed_reply: Option<usize>,

    /// With --fixed-reply: answer requests for a backstory with this many bytes instead
    #[arg(long, value_name = "BYTES", requires = "fixed_reply")]
    fixed_story: Option<usize>,
}

/// The rules of prefix caches.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Cache {
    /// No cache.
    None,
    /// Whole blocks of a prefix seen before.
    Vllm,
    /// A prefix seen in two earlier requests.
    Deepseek,
}

/// How limits per minute are counted.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Rule {
    /// No sliding window holds more than the limit.
    SlidingWindow,
    /// A bucket that starts full and refills evenly.
    TokenBucket,
}

/// Which tokens count.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Count {
    /// Those of the prompt and of the reply.
    Used,
    /// Those of the prompt and of the longest reply that the request allows.
    Requested,
}

impl Flags {
    /// The answers to play.
    fn cases(&self) -> anyhow::Result<Vec<Case>> {
        let Some(file) = &self.replay else { return Ok(Vec::new()) };
        let name = || format!("--replay {}", file.display());
        let text = read_text(file, MAX_EXPERIMENT_FILE).with_context(name)?;
        Ok(Cases::from_toml(&text).with_context(name)?.cases)
    }

    fn options(&self) -> anyhow::Result<ProviderOptions> {
        let latency = match (self.latency_ms, self.latency_sigma) {
            (0, _) => Latency::None,
            (milliseconds, None) => Latency::Fixed(Duration::from_millis(milliseconds)),
            (milliseconds, Some(sigma)) => Latency::Lognormal { median: Duration::from_millis(milliseconds), sigma },
        };
        let Ok(window) = Duration::try_from_secs_f64(self.window) else {
            bail!("--window {}: expected a number of seconds above 0", self.window)
        };
        Ok(ProviderOptions {
            seed: self.seed,
            latency,
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            max_in_flight: self.max_in_flight,
            window,
            limit_rule: match self.limit_rule {
                Rule::SlidingWindow => LimitRule::SlidingWindow,
                Rule::TokenBucket => LimitRule::TokenBucket,
            },
            count_refused: self.count_refused,
            token_count: match self.token_count {
                Count::Used => TokenCount::Used,
                Count::Requested => TokenCount::Requested,
            },
            limit_headers: !self.no_limit_headers,
            retry_after: !self.no_retry_after,
            replicas: self.replicas,
            api_key: self.api_key.clone().map(SecretString::from),
            models: (!self.models.is_empty()).then(|| self.models.clone()),
            error_rate: self.error_rate,
            hang_rate: self.hang_rate,
            cut_rate: self.cut_rate,
            rate_limited_rate: self.rate_limited_rate,
            malformed_rate: self.malformed_rate,
            truncated_rate: self.truncated_rate,
            refusal_rate: self.refusal_rate,
            bad_request_rate: self.bad_request_rate,
            cache: match self.cache {
                Cache::None => CacheRule::None,
                Cache::Vllm => CacheRule::Vllm { block_tokens: self.cache_block_tokens },
                Cache::Deepseek => CacheRule::DeepSeek,
            },
            reply_sigma: self.reply_sigma,
            fixed_reply: self.fixed_reply,
            fixed_story: self.fixed_story,
            cases: self.cases()?,
            ..ProviderOptions::default()
        })
    }
}

/// Serves until Ctrl-C or SIGTERM.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let codebook = match &flags.codebook {
        Some(path) => Codebook::load(path).or_usage()?,
        None => Codebook::built_in(),
    };
    on_half_the_cores().context("start the asynchronous runtime")?.block_on(serve(flags, codebook))
}

async fn serve(flags: &Flags, codebook: Codebook) -> Result<Exit, Failure> {
    let options = flags.options().or_usage()?;
    let names: Vec<String> = options.cases.iter().map(ToString::to_string).collect();
    let starting = Provider::start(flags.listen, options, Arc::new(codebook)).await;
    let provider = starting.with_context(|| format!("serve on {}", flags.listen)).or_usage()?;
    let mut signals = Signals::listen()?;
    // Scripts wait for this line.
    print(&format!("SIMULATED provider at {}\n", provider.base_url()))?;
    for (number, name) in (1..).zip(&names) {
        print(&format!("case {number}, {name}: {}\n", provider.case_url(number)))?;
    }
    signals.next().await;
    provider.stop().await;
    Ok(Exit::Done)
}
