//! The types of the schema: what the documents of REST consist of, member by member. Members whose form is deep or open are documents (`JSON`).

mod changes;
mod logs;
mod points;
mod published;
mod runs;

/// A member of a document.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Texts,
    /// 32 bits, as GraphQL has it; a larger one is an error of its field.
    Whole,
    Wholes,
    Number,
    Flag,
    Json,
    One(&'static str),
    Many(&'static str),
}

/// A type with its fields, which are members of the same names.
pub(super) struct ObjectRow {
    pub name: &'static str,
    pub description: &'static str,
    /// Members that are columns of points, as the history has them.
    pub columns: Columns,
    pub fields: &'static [(&'static str, Kind)],
}

/// Columns of points.
#[derive(Debug, Clone, Copy)]
pub(super) enum Columns {
    None,
    All,
    /// Those of these names, but for the concurrency: it is the points' own.
    Of(&'static [&'static str]),
}

const fn object(name: &'static str, description: &'static str, fields: &'static [(&'static str, Kind)]) -> ObjectRow {
    ObjectRow {
        name,
        description,
        columns: Columns::None,
        fields,
    }
}

/// What a query gives.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// The rows of a list.
    Rows(&'static str),
    /// The rows of a list and the cursor of the next page.
    Page(&'static str),
    Document(&'static str),
}

/// A query: a route of REST, whose parameters are its arguments.
#[derive(Debug)]
pub(super) struct Query {
    pub field: &'static str,
    pub path: &'static str,
    pub shape: Shape,
    /// The members that lead to points, whose columns are those that the request selects.
    pub points: &'static [&'static str],
}

const fn query(field: &'static str, path: &'static str, shape: Shape) -> Query {
    Query {
        field,
        path,
        shape,
        points: &[],
    }
}

/// All routes that read, but the pictures, the contents of files, and single submissions with their runs.
pub(super) const QUERIES: &[Query] = &[
    query("projects", "/api/v1/projects", Shape::Rows("Project")),
    query("runs", "/api/v1/runs", Shape::Page("Run")),
    query("run", "/api/v1/runs/{run}", Shape::Document("RunDetails")),
    Query {
        points: &["data"],
        ..query("points", "/api/v1/points", Shape::Page("Point"))
    },
    query("point", "/api/v1/points/{id}", Shape::Document("PointDetails")),
    Query {
        points: &["data", "points"],
        ..query("curves", "/api/v1/curves", Shape::Page("Curve"))
    },
    query("series", "/api/v1/series", Shape::Rows("Series")),
    query("compare", "/api/v1/compare", Shape::Document("Comparison")),
    query("frontier", "/api/v1/frontier", Shape::Rows("Frontier")),
    query("cheapest", "/api/v1/cheapest", Shape::Rows("Configuration")),
    query("costs", "/api/v1/costs", Shape::Rows("Cost")),
    query("deployments", "/api/v1/deployments", Shape::Rows("Deployment")),
    query("versions", "/api/v1/versions", Shape::Document("Versions")),
    query("architectures", "/api/v1/architectures", Shape::Rows("ArchitecturePair")),
    query("accuracy", "/api/v1/accuracy", Shape::Rows("Accuracy")),
    query("facets", "/api/v1/facets", Shape::Rows("Facet")),
    query("evals", "/api/v1/evals", Shape::Rows("Score")),
    query("reliability", "/api/v1/reliability", Shape::Rows("Reliability")),
    query("changes", "/api/v1/changes", Shape::Rows("Change")),
    query("annotations", "/api/v1/annotations", Shape::Rows("Annotation")),
    query("changelog", "/api/v1/changelog", Shape::Rows("ChangelogEntry")),
    query("annotated", "/api/v1/annotated", Shape::Rows("Annotation")),
    query("regressions", "/api/v1/regressions", Shape::Rows("Regression")),
    query("bisection", "/api/v1/bisection", Shape::Document("Bisection")),
    query("trends", "/api/v1/trends", Shape::Rows("Trend")),
    query("records", "/api/v1/records", Shape::Document("Records")),
    query("operations", "/api/v1/operations", Shape::Document("Operations")),
    query("hardware", "/api/v1/hardware", Shape::Rows("Hardware")),
    query("prices", "/api/v1/prices", Shape::Rows("Price")),
    query("file", "/api/v1/files/{digest}", Shape::Document("SourceFile")),
    query("mlperf", "/api/v1/mlperf", Shape::Rows("Published")),
    query("mlperf_derived", "/api/v1/mlperf-derived", Shape::Rows("DerivedResult")),
    query("mlperf_datasets", "/api/v1/mlperf-datasets", Shape::Rows("DataSet")),
    query("quarantine", "/api/v1/quarantine", Shape::Rows("Quarantined")),
    query("submissions", "/api/v1/submissions", Shape::Page("Submission")),
    query("deliveries", "/api/v1/deliveries", Shape::Rows("Delivery")),
    query("audit", "/api/v1/audit", Shape::Rows("Write")),
];

/// All but `Point`, whose fields are the columns of points, and the pages.
pub(super) fn types() -> impl Iterator<Item = &'static ObjectRow> {
    [runs::TYPES, points::TYPES, changes::TYPES, published::TYPES, logs::TYPES]
        .into_iter()
        .flatten()
}
