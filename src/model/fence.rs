//! A fence around libraries that panic on damaged files. A panic inside is an error of the file, not a bug of imax: it is not reported
//! as one, and the program goes on.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static IS_FENCED: Cell<bool> = const { Cell::new(false) };
}

/// A library panicked; the text is its message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the library that reads it failed: {0}")]
pub struct LibraryPanic(String);

/// Calls a library that may panic. What the call leaves half done must be dropped by the caller.
///
/// # Errors
/// If it panics.
pub fn fenced<T>(call: impl FnOnce() -> T) -> Result<T, LibraryPanic> {
    let outer = IS_FENCED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    IS_FENCED.set(outer);
    result.map_err(|payload| LibraryPanic(panic_message(&*payload)))
}

/// Whether this thread is inside of [`fenced`]: the panic hook then prints nothing.
#[must_use]
pub fn is_fenced() -> bool {
    IS_FENCED.get()
}

/// The message of a panic.
#[must_use]
pub fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_is_an_error_with_its_message_and_the_fence_ends() {
        assert_eq!(fenced(|| 1 + 1), Ok(2));
        let nested = fenced(|| {
            let inner: Result<(), _> = fenced(|| panic!("damaged at {}", 7));
            (inner, is_fenced())
        });
        assert_eq!(nested, Ok((Err(LibraryPanic("damaged at 7".to_owned())), true)));
        assert!(!is_fenced());
    }
}
