use crate::record::in_flight::InFlightSlot;
use crate::record::known_route::KnownRoute;
use std::sync::atomic::{AtomicU32, Ordering};

/// The routes of a layer whose endpoint is always the same, and whose requests have no labels of the application. Each is at the
/// index of the slot in which its requests are counted while they are in flight.
///
/// Requests of such a layer that have the same slot have the same labels, and so the same route. It is found without a call of
/// the endpoint, without a hash, and without a comparison of texts.
#[derive(Debug)]
pub(crate) struct FixedRoutes(Box<[AtomicU32]>);

impl FixedRoutes {
    /// With 0 slots no route is kept: for all other layers.
    pub(crate) fn new(slots: usize) -> Self {
        Self((0..slots).map(|_| AtomicU32::new(KnownRoute::NONE.0)).collect())
    }

    /// [`KnownRoute::NONE`] if the route was not found before.
    #[inline(always)]
    pub(crate) fn get(&self, slot: InFlightSlot) -> KnownRoute {
        // Acquire: the thread that has set the route has seen it in the table, so this thread sees it there, too.
        let route = self.0.get(usize::from(slot.0)).map(|route| route.load(Ordering::Acquire));
        route.map_or(KnownRoute::NONE, KnownRoute)
    }

    pub(crate) fn set(&self, slot: InFlightSlot, route: KnownRoute) {
        if let Some(id) = self.0.get(usize::from(slot.0)) {
            id.store(route.0, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_found_by_its_slot_once_it_is_set() {
        let routes = FixedRoutes::new(3);
        let get_all = || [0, 1, 2, 3].map(|slot| routes.get(InFlightSlot(slot)));
        assert_eq!(get_all(), [KnownRoute::NONE; 4]);
        routes.set(InFlightSlot(1), KnownRoute(7));
        routes.set(InFlightSlot(3), KnownRoute(8));
        assert_eq!(
            get_all(),
            [KnownRoute::NONE, KnownRoute(7), KnownRoute::NONE, KnownRoute::NONE]
        );
    }
}
