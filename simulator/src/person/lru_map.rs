//! A bounded map that evicts approximately the least recently used entries.

use std::collections::HashMap;
use std::hash::Hash;

/// Two generations of entries: when the young one is full, it replaces the old one, whose entries are dropped.
/// Looking up an entry moves it to the young generation. Holds between `capacity` and twice as many of the most
/// recently used entries.
#[derive(Debug)]
pub(crate) struct LruMap<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    capacity: usize,
}

impl<K: Eq + Hash + Copy, V> LruMap<K, V> {
    /// An empty map; a capacity of 0 counts as 1.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), capacity: capacity.max(1) }
    }

    /// The entry of a key; marks it as recently used.
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
    fn used_entries_stay_and_unused_entries_are_evicted() {
        let mut map = LruMap::new(10);
        for key in 0..1000 {
            map.insert(key, key);
            assert_eq!(map.get(&0), Some(&mut 0), "used at every step");
        }
        assert_eq!(map.get(&500), None);
        assert_eq!(map.get(&999), Some(&mut 999));
        assert!(map.young.len() <= 10 && map.old.len() <= 10);
    }
}
