//! When a price applies: service tier, size of the prompt, days and hours on the vendor's calendar.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::day::{Day, SECONDS_PER_DAY};

pub(super) const MINUTES_PER_DAY: u16 = 24 * 60;

/// The call that is priced, apart from its tokens.
#[derive(Debug, Clone, Copy)]
pub struct PricedCall<'a> {
    /// When it ended.
    pub ended: SystemTime,
    /// The service tier that the reply names; `batch` for a batch.
    pub service_tier: Option<&'a str>,
    /// The model that the reply names.
    pub model: Option<&'a str>,
}

impl PricedCall<'_> {
    /// A call that ended at this moment, at the standard service tier.
    pub const fn at(ended: SystemTime) -> Self {
        Self { ended, service_tier: None, model: None }
    }
}

/// When a price applies: all that is said must hold.
#[derive(Debug, Clone, Copy)]
pub struct Condition<'a> {
    pub(super) service_tier: Option<&'a str>,
    pub(super) model: Option<&'a str>,
    pub(super) above_input_tokens: Option<u64>,
    pub(super) since: Option<Day>,
    pub(super) until: Option<Day>,
    pub(super) days: &'a [Weekday],
    pub(super) hours: &'a [Hours],
    pub(super) utc_offset: UtcOffset,
}

impl Condition<'_> {
    /// Whether it holds for a call with so many input tokens.
    pub fn holds(&self, input_tokens: u64, call: PricedCall<'_>) -> bool {
        let tier_fits = self.service_tier.is_none_or(|tier| call.service_tier == Some(tier));
        let model_fits = self.model.is_none_or(|model| call.model == Some(model));
        let size_fits = self.above_input_tokens.is_none_or(|above| input_tokens > above);
        tier_fits && model_fits && size_fits && self.is_in_time(call)
    }

    fn is_in_time(&self, call: PricedCall<'_>) -> bool {
        let (day, minute) = self.utc_offset.local(call);
        let is_in_period = self.since.is_none_or(|since| day >= since) && self.until.is_none_or(|until| day <= until);
        is_in_period && self.is_in_week(day, minute)
    }

    fn is_in_week(&self, day: Day, minute: u16) -> bool {
        let on =
            |day: Day| self.days.is_empty() || self.days.iter().any(|weekday| *weekday as u8 == day.after_monday());
        if self.hours.is_empty() {
            return on(day);
        }
        // Hours that pass midnight belong to the day on which they begin.
        let yesterday = Day(day.0.saturating_sub(1));
        self.hours.iter().any(|hours| match hours.contains(minute) {
            Some(Begins::Today) => on(day),
            Some(Begins::Yesterday) => on(yesterday),
            None => false,
        })
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Weekday {
    /// The day with this number; Monday is 1, Sunday 7.
    pub(super) fn from_number(number: u64) -> Option<Self> {
        let all = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];
        all.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
    }
}

/// A time of the day, in minutes after midnight; `24:00` is the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockTime(u16);

impl ClockTime {
    /// Minutes after midnight.
    pub(super) const fn minutes(self) -> u16 {
        self.0
    }
}

/// A span of hours: from a time until, and without, another. If it ends before it begins, it ends on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// When it begins.
    pub from: ClockTime,
    /// When it ends.
    pub until: ClockTime,
}

/// The day on which the hours began that contain a time.
enum Begins {
    Today,
    Yesterday,
}

impl Hours {
    fn contains(self, minute: u16) -> Option<Begins> {
        let (from, until) = (self.from.0, self.until.0);
        if from < until {
            return (from..until).contains(&minute).then_some(Begins::Today);
        }
        if minute >= from {
            return Some(Begins::Today);
        }
        (minute < until).then_some(Begins::Yesterday)
    }
}

/// How far a clock is ahead of UTC.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct UtcOffset {
    minutes: i16,
}

impl UtcOffset {
    /// The clock of UTC.
    pub(super) const UTC: Self = Self { minutes: 0 };

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) const fn is_zero(&self) -> bool {
        self.minutes == 0
    }

    /// The minutes after midnight in UTC when this clock shows so many.
    pub(super) fn in_utc(self, minutes: u16) -> u16 {
        let of_day = i32::from(MINUTES_PER_DAY);
        u16::try_from((i32::from(minutes) - i32::from(self.minutes)).rem_euclid(of_day)).unwrap_or(0)
    }

    /// Day, and minutes after midnight, when a call ended.
    fn local(self, call: PricedCall<'_>) -> (Day, u16) {
        let seconds = call.ended.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let local = seconds.saturating_add_signed(i64::from(self.minutes) * 60);
        let minute = u16::try_from(local % SECONDS_PER_DAY / 60).unwrap_or(0);
        (Day(u32::try_from(local / SECONDS_PER_DAY).unwrap_or(u32::MAX)), minute)
    }
}

/// A text that is no time, span of hours, or offset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: expected {expected}")]
pub struct NoTime {
    text: String,
    expected: &'static str,
}

fn no_time(text: &str, expected: &'static str) -> NoTime {
    NoTime { text: text.to_owned(), expected }
}

/// Minutes of `HH:MM`.
fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |part: &str| (part.len() == 2).then(|| part.parse::<u16>().ok()).flatten();
    let minutes = digits(minutes).filter(|minutes| *minutes < 60)?;
    Some(digits(hours)? * 60 + minutes)
}

impl FromStr for ClockTime {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        let minutes = minutes(text).filter(|minutes| *minutes <= MINUTES_PER_DAY);
        minutes.map(Self).ok_or_else(|| no_time(text, "a time of the day, such as 09:00"))
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl FromStr for Hours {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        let (from, until) = text.split_once('-').ok_or_else(|| no_time(text, "hours, such as 22:00-06:00"))?;
        Ok(Self { from: from.parse()?, until: until.parse()? })
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.until)
    }
}

impl FromStr for UtcOffset {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        let wrong = || no_time(text, "an offset from UTC, such as +08:00");
        let (sign, rest) = match text.split_at_checked(1) {
            Some(("+", rest)) => (1, rest),
            Some(("-", rest)) => (-1, rest),
            _ => return Err(wrong()),
        };
        let minutes = minutes(rest).filter(|minutes| *minutes < MINUTES_PER_DAY).ok_or_else(wrong)?;
        Ok(Self { minutes: sign * i16::try_from(minutes).map_err(|_| wrong())? })
    }
}

impl fmt::Display for UtcOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minutes < 0 { '-' } else { '+' };
        write!(f, "{sign}{}", ClockTime(self.minutes.unsigned_abs()))
    }
}

/// Text in files, by `Display` and `FromStr`.
macro_rules! written_as_text {
    ($($kind:ty),*) => {$(
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

written_as_text!(Hours, UtcOffset);
