use crate::labels::methods::MethodId;
use crate::labels::request_labels::RequestLabels;
use crate::labels::user_label::UserLabelValues;
use crate::record::known_route::KnownRoute;
use axum::extract::MatchedPath;
use http::Extensions;
use std::array;
use std::sync::OnceLock;

/// The routes of a layer whose endpoint is the route template that axum matched, by the address of that template.
///
/// An address is no proof of a text: once a template is freed, another text can be in its memory. Therefore a clone of each
/// template is kept here: while it lives, no other template has its address. So a route is found without calling the endpoint,
/// and without hashing or comparing a text.
pub(crate) struct MatchedRoutes(Option<Box<[OnceLock<Entry>; SLOTS]>>);

struct Entry {
    path: MatchedPath,
    labels: RequestLabels,
    route: KnownRoute,
}

impl MatchedRoutes {
    /// `is_on` is `false` for layers with other endpoints: then no route is stored.
    pub(crate) fn new(is_on: bool) -> Self {
        Self(is_on.then(|| Box::new(array::from_fn(|_| OnceLock::new()))))
    }

    /// The route of requests with this method and no other labels; [`KnownRoute::NONE`] if it is not stored.
    #[inline(never)]
    pub(crate) fn get(&self, method: MethodId, extensions: &Extensions) -> KnownRoute {
        let labels = RequestLabels::new(method, UserLabelValues::OTHER);
        let Self(Some(slots)) = self else { return KnownRoute::NONE };
        let Some(path) = extensions.get::<MatchedPath>() else { return KnownRoute::NONE };
        for slot in places(path, labels) {
            match slots[usize::from(slot)].get() {
                Some(entry) if address(&entry.path) == address(path) && entry.labels == labels => {
                    return entry.route;
                }
                Some(_) => {}
                None => return KnownRoute::NONE,
            }
        }
        KnownRoute::NONE
    }

    /// Stores a route that was found by the text of the template. Returns `false` if both of its slots are taken, or if there
    /// is no template.
    pub(crate) fn set(
        &self,
        labels: RequestLabels,
        extensions: &Extensions,
        route: KnownRoute,
    ) -> bool {
        let Self(Some(slots)) = self else { return false };
        let Some(path) = extensions.get::<MatchedPath>() else { return false };
        let mut entry = Entry { path: path.clone(), labels, route };
        for slot in places(path, labels) {
            match slots[usize::from(slot)].set(entry) {
                Ok(()) => return true,
                Err(refused) => entry = refused,
            }
        }
        false
    }
}

/// The two slots in which an entry can be.
#[inline(always)]
fn places(path: &MatchedPath, labels: RequestLabels) -> [u8; 2] {
    // An odd number with random bits: the upper bits of the product depend on all bits of the key.
    let key = address(path) as u64 ^ labels.number();
    let first = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - SLOTS.ilog2())) as u8;
    [first, first ^ 1]
}

#[inline(always)]
fn address(path: &MatchedPath) -> usize {
    path.as_str().as_ptr().addr()
}

/// Enough for most servers. A route is a template and a method. If both of its slots are taken, it is found by its text.
const SLOTS: usize = 256;
