//! Which file of a room uses which other: what a path names, followed through the modules that only pass a name on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::paths::{Import, imports, paths_in};
use crate::source::Modules;

/// The files that each file uses, as paths of their modules.
pub(crate) type Graph = BTreeMap<Vec<String>, BTreeSet<Vec<String>>>;

/// How far a name is followed from module to module.
const MAX_STEPS: usize = 16;

/// Which file uses which other.
pub(crate) fn graph(modules: &Modules) -> Graph {
    let room = Room::new(modules);
    let edges = |module: &Vec<String>| {
        let used = room.paths(module).into_iter();
        let files = used.filter_map(|path| room.resolve(module, &path, MAX_STEPS));
        files.filter(|file| file != module).collect::<BTreeSet<_>>()
    };
    modules.keys().map(|module| (module.clone(), edges(module))).collect()
}

/// The file's path, for a message.
pub(crate) fn file<'a>(modules: &'a Modules, module: &[String]) -> &'a Path {
    &modules[module].path
}

struct Room<'a> {
    modules: &'a Modules,
    imports: BTreeMap<&'a [String], Vec<Import>>,
}

impl<'a> Room<'a> {
    fn new(modules: &'a Modules) -> Self {
        let imports = modules.iter().map(|(module, file)| (module.as_slice(), imports(&file.items))).collect();
        Self { modules, imports }
    }

    /// Every path that a module's own code uses; names that are only passed on are not used by it.
    fn paths(&self, module: &[String]) -> Vec<Vec<String>> {
        let mut paths = paths_in(&self.modules[module].items);
        let own = self.imports[module].iter().filter(|import| !import.is_passed_on);
        paths.extend(own.map(|import| import.path.clone()));
        paths
    }

    /// The file that has what a path in `module` names; none where that is outside the room.
    fn resolve(&self, module: &[String], path: &[String], steps: usize) -> Option<Vec<String>> {
        let steps = steps.checked_sub(1)?;
        let (mut at, mut rest) = self.start(module, path, steps)?;
        // A module that is only named is not used yet.
        while let [next, after @ ..] = rest.as_slice() {
            let child = [&at[..], std::slice::from_ref(next)].concat();
            if self.modules.contains_key(&child) {
                (at, rest) = (child, after.to_vec());
                continue;
            }
            let passed_on = self.imports[at.as_slice()].iter().filter(|import| import.name == *next);
            let mut targets = passed_on.map(|import| [&import.path[..], after].concat());
            let found = targets.find_map(|target| self.resolve(&at, &target, steps));
            let found = found.or_else(|| self.resolve_glob(&at, &rest, steps));
            return found.or(Some(at));
        }
        None
    }

    /// What one of the names that a module passes on by `*` leads to.
    fn resolve_glob(&self, at: &[String], rest: &[String], steps: usize) -> Option<Vec<String>> {
        let globs = self.imports[at].iter().filter(|import| import.name == "*");
        let targets = globs.map(|import| [&import.path[..import.path.len() - 1], rest].concat());
        targets.into_iter().find_map(|target| self.resolve(at, &target, steps)).filter(|found| found != at)
    }

    /// The module at which a path begins, and what is left of it.
    fn start(&self, module: &[String], path: &[String], steps: usize) -> Option<(Vec<String>, Vec<String>)> {
        let [first, after @ ..] = path else { return None };
        match first.as_str() {
            "crate" => Some((Vec::new(), after.to_vec())),
            "self" => start_after(module, after),
            "super" => start_after(module.split_last()?.1, after),
            _ => {
                let child = [module, std::slice::from_ref(first)].concat();
                if self.modules.contains_key(&child) {
                    return Some((child, after.to_vec()));
                }
                let import = self.imports[module].iter().find(|import| import.name == *first && import.path != path)?;
                let path = [&import.path[..], after].concat();
                (import.path[0] != *first).then(|| self.start(module, &path, steps.checked_sub(1)?)).flatten()
            }
        }
    }
}

/// Where a path goes on after `self` and `super`.
fn start_after(module: &[String], after: &[String]) -> Option<(Vec<String>, Vec<String>)> {
    match after {
        [first, rest @ ..] if first == "super" => start_after(module.split_last()?.1, rest),
        _ => Some((module.to_vec(), after.to_vec())),
    }
}
