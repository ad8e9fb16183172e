//! A table of measured figures and their bounds.

use std::fmt;

/// The bound of a figure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// No bound: shown for information.
    None,
}

/// Figures in the order of measurement.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    what: String,
    figure: f64,
    bound: Bound,
}

impl Table {
    pub(crate) fn add(&mut self, what: impl Into<String>, figure: f64, bound: Bound) {
        self.rows.push(Row { what: what.into(), figure, bound });
    }

    /// Whether all figures are within their bounds.
    pub(crate) fn holds(&self) -> bool {
        self.rows.iter().all(Row::holds)
    }
}

impl Row {
    fn holds(&self) -> bool {
        match self.bound {
            Bound::AtMost(most) => self.figure <= most,
            Bound::AtLeast(least) => self.figure >= least,
            Bound::None => true,
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            let (bound, verdict) = match row.bound {
                Bound::AtMost(most) => (format!("at most {most}"), if row.holds() { "ok" } else { "OVER" }),
                Bound::AtLeast(least) => (format!("at least {least}"), if row.holds() { "ok" } else { "UNDER" }),
                Bound::None => (String::new(), ""),
            };
            writeln!(f, "{:<66} {:>10.3}  {bound:<14} {verdict}", row.what, row.figure)?;
        }
        Ok(())
    }
}

/// The middle value.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
