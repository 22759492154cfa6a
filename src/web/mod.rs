//! The dashboard and the results API. Not built yet: reports are files, see `crate::report`.
