//! The escaped names of families. Different families have different escaped names.

use crate::families::{
    family::FamilyDescription,
    model::FamilyKind,
    names::{
        base_name::{base_names, conflict},
        escaped_names::first_free,
        escaping::{Escaping, NameKind},
    },
};
use std::collections::HashMap;

/// The escaped name of each family, by the id of the family.
#[derive(Debug)]
pub(crate) struct EscapedFamilies {
    escaping: Escaping,
    all: Vec<EscapedFamily>,
    /// The escaped names that are in use, with the types of their families.
    taken: HashMap<String, FamilyKind>,
}

#[derive(Debug)]
pub(crate) struct EscapedFamily {
    pub(crate) name: String,
    /// Whether `OpenMetrics` can use the name without its suffix.
    pub(crate) has_base_name: bool,
}

impl EscapedFamilies {
    pub(crate) fn new(escaping: Escaping) -> Self {
        Self { escaping, all: Vec::new(), taken: HashMap::new() }
    }

    /// Adds the families that are not known yet. Names that need no escaping are added first, so they do not
    /// change.
    pub(crate) fn add(&mut self, families: &[FamilyDescription]) {
        let Self { escaping, all, taken } = self;
        let known = all.len();
        if families.len() == known {
            return;
        }
        let mut names = vec![String::new(); families.len() - known];
        for is_kept in [true, false] {
            for (escaped, FamilyDescription { name, kind, .. }) in
                names.iter_mut().zip(&families[known..])
            {
                if escaping.keeps(name, NameKind::Family) == is_kept {
                    *escaped = first_free(*escaping, NameKind::Family, name, |form| {
                        conflict(form, *kind, |name| Some(((), *taken.get(name)?))).is_none()
                    });
                    taken.insert(escaped.clone(), *kind);
                }
            }
        }
        all.extend(names.into_iter().map(|name| EscapedFamily { name, has_base_name: false }));
        let kinds = families.iter().map(|family| family.kind);
        let names: Vec<_> = all.iter().map(|family| family.name.as_str()).zip(kinds).collect();
        let have_base_names = base_names(&names);
        for (family, has_base_name) in all.iter_mut().zip(have_base_names) {
            family.has_base_name = has_base_name;
        }
    }

    pub(crate) fn all(&self) -> &[EscapedFamily] {
        &self.all
    }
}
