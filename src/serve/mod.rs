//! The results API and the pages. Not built yet: reports are files, see `crate::report`.
