//! Points to runs, and runs to verdicts.
