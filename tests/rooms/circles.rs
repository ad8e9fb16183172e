//! No import circles: where one file needs another, no way leads back, but for pairs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::imports::{Graph, file, graph};
use crate::source::{Modules, rooms};

/// The most files that may use each other in a circle: a module and its only helper.
const LARGEST_CIRCLE: usize = 2;

#[test]
fn no_circle_of_imports_has_more_than_two_files() {
    let mut found = String::new();
    for (room, modules) in rooms() {
        for knot in knots(&graph(&modules)) {
            found += &told(room, &modules, &knot);
        }
    }
    assert!(found.is_empty(), "these files need each other; move what they share into a file of its own:\n{found}");
}

/// A knot's shortest circle of more than two files where it has one, and all its files.
fn told(room: &str, modules: &Modules, knot: &Graph) -> String {
    let name = |module: &Vec<String>| file(modules, module).display().to_string();
    let files: Vec<String> = knot.keys().map(name).collect();
    let circle: Vec<String> = circle(knot).iter().map(name).collect();
    format!("{room}: {} files: {}\n    for example {}\n", files.len(), files.join(", "), circle.join("\n        -> "))
}

/// The groups of more than [`LARGEST_CIRCLE`] files of which each leads to each other.
fn knots(graph: &Graph) -> Vec<Graph> {
    let reached: BTreeMap<_, _> = graph.keys().map(|module| (module, reach(graph, module))).collect();
    let mut knots = BTreeSet::new();
    for (module, from) in &reached {
        let knot: BTreeSet<_> = from.iter().filter(|other| reached[other].contains(*module)).cloned().collect();
        if knot.len() > LARGEST_CIRCLE {
            knots.insert(knot);
        }
    }
    let within = |knot: BTreeSet<Vec<String>>| {
        let edges = |module: &Vec<String>| graph[module].intersection(&knot).cloned().collect();
        knot.iter().map(|module| (module.clone(), edges(module))).collect()
    };
    knots.into_iter().map(within).collect()
}

/// All files that a file leads to, in however many steps.
fn reach(graph: &Graph, from: &Vec<String>) -> BTreeSet<Vec<String>> {
    let (mut found, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(module) = next.pop() {
        next.extend(graph[module].iter().filter(|used| found.insert((*used).clone())));
    }
    found
}

/// The shortest way from a file to itself over more than one other file; else over one.
fn circle(knot: &Graph) -> Vec<Vec<String>> {
    let ways = knot.iter().flat_map(|(from, used)| used.iter().map(move |to| (from, to)));
    let circles = ways.filter_map(|(from, to)| {
        let back = way(knot, to, from)?;
        Some([&[from.clone()][..], &back].concat())
    });
    let shortest = circles.min_by_key(Vec::len);
    shortest.unwrap_or_else(|| knot.keys().cloned().collect())
}

/// The shortest way from one file to another that is no single step.
fn way(graph: &Graph, from: &Vec<String>, to: &Vec<String>) -> Option<Vec<Vec<String>>> {
    let mut ways = VecDeque::from([vec![from.clone()]]);
    let mut seen = BTreeSet::from([from.clone()]);
    while let Some(way) = ways.pop_front() {
        let last = way.last().unwrap();
        for next in &graph[last] {
            if next == to && last != from {
                return Some([&way[..], std::slice::from_ref(to)].concat());
            }
            if next != to && seen.insert(next.clone()) {
                ways.push_back([&way[..], std::slice::from_ref(next)].concat());
            }
        }
    }
    None
}
