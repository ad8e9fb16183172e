//! Turns a text into a vector without a model: counts of its words and of their parts, hashed into a fixed number of places.
//!
//! Texts that share words get similar vectors, so that retrieval finds what a person would expect. The vector depends on
//! the text alone.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Numbers of each vector.
pub(crate) const DIMENSIONS: usize = 256;

/// Characters of a part of a word.
const PART: usize = 4;

/// How much a word counts compared with one of its parts.
const WORD_WEIGHT: f64 = 2.0;

/// The vector of a text; its length is 1.
pub(crate) fn vector(text: &str) -> Vec<f64> {
    let mut counts = vec![0.0; DIMENSIONS];
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    for word in words.map(str::to_lowercase) {
        count(&mut counts, &word, WORD_WEIGHT);
        let marked: Vec<char> = std::iter::once(' ').chain(word.chars()).chain([' ']).collect();
        for part in marked.windows(PART) {
            count(&mut counts, &part.iter().collect::<String>(), 1.0);
        }
    }
    // A text without words still has a direction.
    counts[0] += 1e-3;
    let length = counts.iter().map(|number| number * number).sum::<f64>().sqrt();
    counts.iter().map(|number| number / length).collect()
}

fn count(counts: &mut [f64], part: &str, weight: f64) {
    let hash = xxh3_64_with_seed(part.as_bytes(), 0);
    let [place, sign, ..] = hash.to_le_bytes();
    // Signs keep parts that fall into one place from adding up.
    counts[usize::from(place) % DIMENSIONS] += if sign & 1 == 0 { weight } else { -weight };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similarity(one: &str, other: &str) -> f64 {
        vector(one).iter().zip(vector(other)).map(|(one, other)| one * other).sum()
    }

    #[test]
    fn texts_with_common_words_are_similar() {
        let question = "How important is family in your life?";
        let near = similarity(question, "How important are friends in your life?");
        let far = similarity(question, "Did you sign a petition?");
        assert!(near > 0.5 && far < 0.3 && near > far, "{near} {far}");
        assert!((similarity(question, question) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn every_text_has_a_direction() {
        for text in ["", "?", "日本", "a"] {
            let length: f64 = vector(text).iter().map(|number| number * number).sum();
            assert!((length - 1.0).abs() < 1e-12, "{text}");
        }
    }
}
