//! One view model of runs and verdicts, and the formats that show it.
