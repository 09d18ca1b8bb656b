use crate::labels::methods::MethodId;
use crate::record::route_table::RouteId;

/// A route that was found before, and whether the method of its requests [is special](MethodId::is_special). Both are in one
/// word. So one comparison tells that the route is known, and that no more of the request's head has to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KnownRoute(pub(crate) u32);

impl KnownRoute {
    pub(crate) const NONE: Self = Self(RouteId::NONE.0);

    pub(crate) fn new(route: RouteId, method: MethodId) -> Self {
        // Routes have lower numbers: a table has at most 2^18 slots.
        Self(if method.is_special() { route.0 | SPECIAL } else { route.0 })
    }

    /// `None` if there is no route, or if the method is special.
    #[inline(always)]
    pub(crate) fn if_usual(self) -> Option<RouteId> {
        (self.0 < SPECIAL).then_some(RouteId(self.0))
    }

    /// The route of [`if_usual`](Self::if_usual). If that returns `None`, the result is not a valid
    /// route.
    #[inline(always)]
    pub(crate) fn raw(self) -> RouteId {
        RouteId(self.0)
    }

    /// [`RouteId::NONE`] if there is no route.
    pub(crate) fn id(self) -> RouteId {
        if self == Self::NONE { RouteId::NONE } else { RouteId(self.0 & !SPECIAL) }
    }
}

const SPECIAL: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_kept_and_is_usual_unless_the_method_is_special() {
        let (get, post) = (MethodId(0), MethodId(2));
        for route in [RouteId(0), RouteId(7), RouteId((1 << 18) - 1)] {
            let [usual, special] = [get, post].map(|method| KnownRoute::new(route, method));
            assert_eq!([usual.id(), special.id()], [route; 2]);
            assert_eq!([usual.if_usual(), special.if_usual()], [Some(route), None]);
        }
        assert_eq!((KnownRoute::NONE.id(), KnownRoute::NONE.if_usual()), (RouteId::NONE, None));
    }
}
