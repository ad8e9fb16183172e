//! A bill as a table for people, and as CSV.

use std::fmt::Write as _;

use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::outcome::PartSpend;

use super::{Bill, By, Part, Used};
use crate::grouped::{counted, grouped};

const HEAD: [&str; 11] =
    ["", "calls", "answered", "failed", "input", "cached", "written", "output", "reasoning", "cost", "perhaps more"];

/// The bill for people.
pub fn text(bill: &Bill) -> String {
    let mut text = format!("Bill of run {}{}\n", bill.run, if bill.simulated { " (SIMULATED)" } else { "" });
    if let Some(version) = &bill.at_prices {
        line(&mut text, &format!("at the prices of {version}, in their dearest hours"));
    }
    let cells = counted(bill.finished_cells, "finished cell", "finished cells");
    line(&mut text, &format!("of {cells}; what unfinished cells have cost is not in it"));
    let mut rows = vec![HEAD.map(str::to_owned), row("all", &bill.total)];
    let mut before = None;
    for Part { by, key, used } in &bill.parts {
        if before != Some(*by) {
            rows.push(heading(*by));
            before = Some(*by);
        }
        rows.push(row(&format!("  {key}"), used));
    }
    text += &aligned(&rows);
    let shared = bill.parts.iter().filter(|part| part.by == By::Arm).count();
    if shared > 1 {
        line(&mut text, "calls that several arms share are counted in each of these arms");
    }
    text += &waste(bill);
    text + &saved(bill)
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "  {content}").expect("writing to memory does not fail");
}

fn heading(by: By) -> [String; 11] {
    let mut heading = [const { String::new() }; 11];
    heading[0] = format!("by {}", by.name());
    heading
}

fn row(name: &str, used: &Used) -> [String; 11] {
    let Used { sent, answered, failed, abandoned, tokens, .. } = used;
    let counts = [*sent, *answered, failed + abandoned, tokens.input, tokens.cached, tokens.cache_write, tokens.output];
    let [sent, answered, failed, input, cached, written, output] = counts.map(grouped);
    let unsure =
        used.unsure_likely_nano_usd.filter(|amount| amount.0 > 0).map_or_else(String::new, |usd| usd.to_string());
    let name = name.to_owned();
    let (reasoning, cost) = (grouped(tokens.reasoning), money(used.cost_nano_usd));
    [name, sent, answered, failed, input, cached, written, output, reasoning, cost, unsure]
}

fn money(amount: Option<NanoUsd>) -> String {
    amount.map_or_else(|| "unknown".to_owned(), |amount| amount.to_string())
}

/// The widest column, in characters.
const MAX_WIDTH: usize = 400;

/// Rows with the first column to the left and all others to the right.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    // Formatting panics for widths over 65,535.
    let widths: [usize; N] = std::array::from_fn(|column| width(column).min(MAX_WIDTH));
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (text, width))| {
            if column == 0 { format!("{text:<width$}") } else { format!("{text:>width$}") }
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn waste(bill: &Bill) -> String {
    let mut text = "\nPaid for nothing, or twice\n".to_owned();
    let part = |part: &PartSpend| {
        let cost = if bill.total.cost_nano_usd.is_some() { part.cost.to_string() } else { "unknown".to_owned() };
        format!("{} calls, {cost}", grouped(part.answered))
    };
    let Used { failed, abandoned, without_usage, unsure_likely_tokens: Tokens { input, output, .. }, .. } = bill.total;
    let (failed, cost) = (grouped(failed + abandoned + without_usage), money(bill.waste.failed_nano_usd));
    let [input, output] = [input, output].map(grouped);
    let tokens = format!("{input} tokens in, {output} out");
    line(&mut text, &format!("failed or uncounted: {failed} calls, probably {cost}, {tokens}"));
    line(&mut text, &format!("asked again: {}", part(&bill.waste.asked_again)));
    line(&mut text, &format!("replies that could not be used: {}", part(&bill.waste.unusable)));
    text
}

fn saved(bill: &Bill) -> String {
    let mut text = "\nSaved\n".to_owned();
    line(&mut text, &format!("by the provider's cache: {}", money(bill.saved.by_cache_nano_usd)));
    line(&mut text, &format!("by calls that arms share: {}", money(bill.saved.by_sharing_nano_usd)));
    let reused = grouped(bill.saved.reused.replies);
    line(&mut text, &format!("by {reused} replies of earlier runs: {}", money(bill.saved.by_reuse_nano_usd)));
    text
}

/// The bill as CSV: a line for everything, and one for each part.
pub fn csv(bill: &Bill) -> String {
    let mut text = "by,key,sent,answered,failed,abandoned,without_usage,input_tokens,cached_tokens,cache_write_tokens,\
                    output_tokens,reasoning_tokens,cost_nano_usd,unsure_likely_nano_usd,unsure_at_most_nano_usd,\
                    unsure_likely_input_tokens,unsure_likely_output_tokens\n"
        .to_owned();
    text += &csv_line("run", &bill.run, &bill.total);
    bill.parts.iter().map(|part| csv_line(part.by.name(), &part.key, &part.used)).for_each(|line| text += &line);
    text
}

fn csv_line(by: &str, key: &str, used: &Used) -> String {
    let tokens = used.tokens;
    let counts = [used.sent, used.answered, used.failed, used.abandoned, used.without_usage];
    let counts =
        counts.into_iter().chain([tokens.input, tokens.cached, tokens.cache_write, tokens.output, tokens.reasoning]);
    let money = [used.cost_nano_usd, used.unsure_likely_nano_usd, used.unsure_at_most_nano_usd];
    let money = money.map(|amount| amount.map_or_else(String::new, |amount| amount.0.to_string()));
    let mut fields = vec![by.to_owned(), quoted(key)];
    let unsure = [used.unsure_likely_tokens.input, used.unsure_likely_tokens.output].map(|count| count.to_string());
    fields.extend(counts.map(|count| count.to_string()).chain(money).chain(unsure));
    fields.join(",") + "\n"
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_have_commas() {
        let check = |number, expected: &str| assert_eq!(grouped(number), expected);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(1_234_567, "1,234,567");
    }

    #[test]
    fn a_field_with_a_comma_is_quoted() {
        assert_eq!(quoted("a,b \"c\""), "\"a,b \"\"c\"\"\"");
        assert_eq!(quoted("valuesim m"), "valuesim m");
    }
}
