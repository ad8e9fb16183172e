//! A column of the survey file as text: a region, a language, a weight.

use std::collections::HashMap;

/// The values of one column, by respondent. Each distinct value is kept once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextColumn {
    values: Vec<String>,
    places: Vec<u32>,
}

impl TextColumn {
    /// The distinct values: numbers in ascending order, then other texts in that of the alphabet.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// For each respondent, the place of the value in [`values`](Self::values).
    pub fn places(&self) -> &[u32] {
        &self.places
    }

    /// For each respondent, the value as a number; `None` where it is not a finite one.
    pub fn numbers(&self) -> Vec<Option<f64>> {
        // Spreadsheets in half of Europe write decimal commas.
        let number = |text: &String| {
            let text = text.trim().replacen(',', ".", 1);
            text.parse().ok().filter(|number: &f64| number.is_finite())
        };
        let numbers: Vec<Option<f64>> = self.values.iter().map(number).collect();
        self.places.iter().map(|&place| numbers[place as usize]).collect()
    }
}

/// Collects the values of a column, respondent by respondent.
#[derive(Debug, Default)]
pub(super) struct TextColumnBuilder {
    /// The place of each value, in the order in which they came.
    known: HashMap<Box<[u8]>, u32>,
    places: Vec<u32>,
}

impl TextColumnBuilder {
    pub(super) fn push(&mut self, field: &[u8]) {
        let known = self.known.get(field).copied();
        let place = known.unwrap_or_else(|| u32::try_from(self.known.len()).unwrap_or(u32::MAX));
        if known.is_none() {
            self.known.insert(field.into(), place);
        }
        self.places.push(place);
    }

    pub(super) fn finish(self) -> TextColumn {
        let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
        let mut values: Vec<(String, u32)> = self.known.iter().map(|(field, &place)| (text(field), place)).collect();
        values.sort_by(|(one, _), (other, _)| by_number_then_text(one, other));
        let mut new_places = vec![0; values.len()];
        for (new, (_, old)) in (0..).zip(&values) {
            new_places[*old as usize] = new;
        }
        let places = self.places.iter().map(|&place| new_places[place as usize]).collect();
        TextColumn { values: values.into_iter().map(|(text, _)| text).collect(), places }
    }
}

fn by_number_then_text(one: &str, other: &str) -> std::cmp::Ordering {
    let number = |text: &str| text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    match (number(one), number(other)) {
        (Some(first), Some(second)) => first.total_cmp(&second).then_with(|| one.cmp(other)),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => one.cmp(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_may_have_decimal_commas() {
        let mut builder = TextColumnBuilder::default();
        for field in ["0,93", "1.07", " 2,5 ", "1,000,000", "n/a"] {
            builder.push(field.as_bytes());
        }
        assert_eq!(builder.finish().numbers(), [Some(0.93), Some(1.07), Some(2.5), None, None]);
    }

    #[test]
    fn each_value_is_kept_once_in_its_order() {
        let mut builder = TextColumnBuilder::default();
        for field in ["b", "10", "9", "b", "-4", "", "9"] {
            builder.push(field.as_bytes());
        }
        let column = builder.finish();
        assert_eq!(column.values(), ["-4", "9", "10", "", "b"]);
        assert_eq!(column.places(), [4, 2, 1, 4, 0, 3, 1]);
        let numbers = [None, Some(10.0), Some(9.0), None, Some(-4.0), None, Some(9.0)];
        assert_eq!(column.numbers(), numbers);
    }
}
