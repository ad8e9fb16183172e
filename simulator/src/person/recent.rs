//! A bounded map that forgets what has not been used for longest, roughly.

use std::collections::HashMap;
use std::hash::Hash;

/// Two generations of entries: when the young one is full it becomes the old one, and the old one is forgotten.
/// An entry that is looked up moves to the young generation. Holds at least `capacity` and at most twice as many
/// of the entries used last.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    capacity: usize,
}

impl<K: Eq + Hash + Copy, V> Recent<K, V> {
    /// An empty map; a capacity of 0 counts as 1.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), capacity: capacity.max(1) }
    }

    /// The entry of a key, now the youngest.
    pub(crate) fn get(&mut self, key: &K) -> Option<&mut V> {
        if let Some(value) = self.old.remove(key) {
            self.insert(*key, value);
        }
        self.young.get_mut(key)
    }

    /// Sets the entry of a key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.capacity && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut recent = Recent::new(10);
        for key in 0..1000 {
            recent.insert(key, key);
            assert_eq!(recent.get(&0), Some(&mut 0), "used at every step");
        }
        assert_eq!(recent.get(&500), None);
        assert_eq!(recent.get(&999), Some(&mut 999));
        assert!(recent.young.len() <= 10 && recent.old.len() <= 10);
    }
}
