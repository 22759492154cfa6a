//! Accuracy tasks. Rows carry which evaluation goes with them; evaluating is not built yet, and `imax run` says so.
