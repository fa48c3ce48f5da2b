//! The two images of a changed row.

use pgrx::pg_sys::{self, Datum};

use super::levels::Level;
use super::relation::Storage;
use crate::change::diff::{RowPair, Side};
use crate::change::operation::ColumnNumber;
use crate::gucs;
use crate::pg::{ffi, output, raw};

/// The images that the trigger manager hands to a row trigger, deformed once.
pub struct Images<'a> {
    old: Option<Image<'a>>,
    new: Option<Image<'a>>,
}

/// The images as a row of one of the relations that it belongs to.
pub struct View<'a> {
    images: &'a Images<'a>,
    level: &'a Level,
}

/// The values of a slot, by attribute number less one.
struct Image<'a> {
    values: &'a [Datum],
    nulls: &'a [bool],
}

impl Image<'_> {
    /// # Safety
    /// The slot holds a tuple, which is deformed, and stays untouched while the image lives.
    unsafe fn of(slot: *mut pg_sys::TupleTableSlot) -> Self {
        // SAFETY: the caller's promise; deforming has filled a value and a flag for each attribute.
        unsafe {
            let natts = (*(*slot).tts_tupleDescriptor).natts as usize;
            Self {
                values: std::slice::from_raw_parts((*slot).tts_values, natts),
                nulls: std::slice::from_raw_parts((*slot).tts_isnull, natts),
            }
        }
    }

    fn value(&self, column: ColumnNumber) -> Option<Datum> {
        let at = column as usize - 1;
        (!self.nulls[at]).then(|| self.values[at])
    }
}

impl<'a> Images<'a> {
    /// # Safety
    /// Each slot is null or holds a tuple of one relation, and stays untouched while the images live.
    pub unsafe fn new(old: *mut pg_sys::TupleTableSlot, new: *mut pg_sys::TupleTableSlot) -> Self {
        // SAFETY: the caller's promise; nothing inside has a destructor.
        unsafe {
            raw::guarded(|| {
                for slot in [old, new] {
                    if !slot.is_null() {
                        raw::slot_getallattrs(slot);
                    }
                }
            });
        }
        let image = |slot: *mut pg_sys::TupleTableSlot| {
            // SAFETY: the caller's promise.
            (!slot.is_null()).then(|| unsafe { Image::of(slot) })
        };
        Self {
            old: image(old),
            new: image(new),
        }
    }

    /// # Safety
    /// The level is one of the images' relation.
    pub unsafe fn view(&'a self, level: &'a Level) -> View<'a> {
        View {
            images: self,
            level,
        }
    }
}

impl View<'_> {
    fn value(&self, side: Side, column: ColumnNumber) -> Option<Datum> {
        let image = match side {
            Side::Old => self.images.old.as_ref(),
            Side::New => self.images.new.as_ref(),
        };
        image
            .expect("the operation has this image")
            .value(self.level.number(column))
    }

    fn storage(&self, column: ColumnNumber) -> &Storage {
        self.level.relation.storage(column)
    }
}

impl RowPair for View<'_> {
    fn differs(&self, column: ColumnNumber) -> bool {
        match (self.value(Side::Old, column), self.value(Side::New, column)) {
            (None, None) => false,
            (Some(old), Some(new)) => {
                let storage = self.storage(column);
                // SAFETY: both are values of the column's type.
                unsafe { !same_image(old, new, storage.by_value, storage.length) }
            }
            _ => true,
        }
    }

    fn json(&self, side: Side, column: ColumnNumber, out: &mut Vec<u8>) -> bool {
        let storage = self.storage(column);
        match self.value(side, column) {
            // SAFETY: the storage is the column's.
            Some(value) => unsafe {
                // A row is named by its whole key, which the index keeps short.
                (fits(value, storage) || self.level.relation.key.contains(&column))
                    && storage.renderer.render(value, out, MOST_BYTES)
            },
            None => {
                out.extend_from_slice(b"null");
                true
            }
        }
    }

    fn text(&self, side: Side, column: ColumnNumber, out: &mut Vec<u8>) {
        if let Some(value) = self.value(side, column) {
            let storage = self.storage(column);
            // SAFETY: the storage is the column's.
            if !unsafe { storage.renderer.plain_text(value, out) } {
                // A key whose output function raises has an empty text, and so has its JSON.
                let text =
                    output::canonical(value, storage.kind, storage.trust).unwrap_or_default();
                out.extend_from_slice(&text);
            }
        }
    }
}

/// A record takes no value that makes it longer than this: it has to stay well below the 1 GB that a row of
/// the log can have.
const MOST_BYTES: usize = 256 << 20;

/// Whether a value is short enough, as it is stored, to be rendered.
///
/// # Safety
/// The value is of the storage's type.
unsafe fn fits(value: Datum, storage: &Storage) -> bool {
    if storage.by_value || storage.length != -1 {
        return true;
    }
    // SAFETY: a varlena; its length is known without fetching it.
    let stored = unsafe { pg_sys::toast_raw_datum_size(value) } - pg_sys::VARHDRSZ;
    stored <= gucs::MAX_VALUE.get() as usize * 1024
}

/// Whether two values have the same image. An unchanged TOASTed value keeps its pointer in an UPDATE, so
/// equal pointers decide without fetching it.
///
/// # Safety
/// Both are non-null values of a type with this by-value flag and length.
unsafe fn same_image(old: Datum, new: Datum, by_value: bool, length: i16) -> bool {
    if by_value {
        return old.value() == new.value();
    }
    // SAFETY: the caller's promise: a varlena's length stands at its beginning, so both can be compared as
    // they are stored, pointers to TOAST among them.
    unsafe {
        if length == -1 {
            let stored = |value: Datum| {
                let start = value.cast_mut_ptr::<u8>();
                std::slice::from_raw_parts(start, pgrx::varlena::varsize_any(start.cast()))
            };
            if stored(old) == stored(new) {
                return true;
            }
        }
        ffi::image_eq(old, new, by_value, length)
    }
}
