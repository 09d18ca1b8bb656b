//! One value for each instrument that records the numbers of events.

/// A `T` for each of a rule's instruments that record a number: the index of its field, its index in a batch, or the number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PerInstrument<T> {
    pub(crate) sum: Option<T>,
    pub(crate) up_down: Option<T>,
    pub(crate) histogram: Option<T>,
    pub(crate) gauge: Option<T>,
}

impl<T: Copy> PerInstrument<T> {
    #[inline]
    pub(crate) fn and_then<U>(&self, mut of: impl FnMut(T) -> Option<U>) -> PerInstrument<U> {
        let Self { sum, up_down, histogram, gauge } = *self;
        PerInstrument {
            sum: sum.and_then(&mut of),
            up_down: up_down.and_then(&mut of),
            histogram: histogram.and_then(&mut of),
            gauge: gauge.and_then(&mut of),
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let Self { sum, up_down, histogram, gauge } = self;
        sum.is_none() && up_down.is_none() && histogram.is_none() && gauge.is_none()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> {
        let Self { sum, up_down, histogram, gauge } = *self;
        [sum, up_down, histogram, gauge].into_iter().flatten()
    }
}
