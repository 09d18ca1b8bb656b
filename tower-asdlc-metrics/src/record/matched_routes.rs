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

impl Entry {
    #[inline(always)]
    fn is_of(&self, path: &MatchedPath, labels: RequestLabels) -> bool {
        address(&self.path) == address(path) && self.labels == labels
    }
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
        for slot in slots_of(path, labels) {
            match slots[usize::from(slot)].get() {
                Some(entry) if entry.is_of(path, labels) => return entry.route,
                Some(_) => {}
                None => return KnownRoute::NONE,
            }
        }
        KnownRoute::NONE
    }

    /// Stores a route that was found by the text of the template. Returns `false` if both of its slots are taken, if it is stored
    /// already, or if there is no template.
    pub(crate) fn set(
        &self,
        labels: RequestLabels,
        extensions: &Extensions,
        route: KnownRoute,
    ) -> bool {
        let Self(Some(slots)) = self else { return false };
        let Some(path) = extensions.get::<MatchedPath>() else { return false };
        for slot in slots_of(path, labels) {
            let slot = &slots[usize::from(slot)];
            match slot.get() {
                // Another thread has stored it since it was looked up.
                Some(entry) if entry.is_of(path, labels) => return false,
                Some(_) => {}
                // An error: another thread has just taken this slot, perhaps for the same route.
                None => return slot.set(Entry { path: path.clone(), labels, route }).is_ok(),
            }
        }
        false
    }
}

/// The two slots in which an entry can be.
#[inline(always)]
fn slots_of(path: &MatchedPath, labels: RequestLabels) -> [u8; 2] {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::route_table::RouteId;

    #[test]
    fn a_template_and_a_method_take_one_slot_however_often_they_are_stored() {
        let routes = MatchedRoutes::new(true);
        let extensions = matched_path();
        for method in [MethodId(0), MethodId(3)] {
            let labels = RequestLabels::new(method, UserLabelValues::OTHER);
            let route = KnownRoute::new(RouteId(7), method);
            let stored = [(); 3].map(|()| routes.set(labels, &extensions, route));
            assert_eq!(stored, [true, false, false]);
            assert_eq!(routes.get(method, &extensions), route);
        }
        let slots = routes.0.as_ref().unwrap();
        assert_eq!(slots.iter().filter(|slot| slot.get().is_some()).count(), 2);
    }

    /// As axum inserts it: it cannot be made in another way.
    fn matched_path() -> Extensions {
        use axum::{Extension, Router, body::Body, routing::any};
        use std::future::Future;
        use std::pin::pin;
        use std::task::{Context, Poll, Waker};
        use tower::Service;

        let handler = any(|path: MatchedPath| async { Extension(path) });
        let mut router: Router = Router::new().route("/", handler);
        let call = pin!(router.call(http::Request::new(Body::empty())));
        let Poll::Ready(Ok(response)) = call.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("no response")
        };
        response.into_parts().0.extensions
    }
}
