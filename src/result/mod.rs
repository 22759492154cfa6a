//! Raw results of load generators to one normalised result a point (`agg_*.json`).
