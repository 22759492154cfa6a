//! Whether this machine can run a row: the checks of `imax doctor`, once for each profile and number of GPUs.

use std::collections::HashMap;

use crate::execution::{ExaminationRequest, ExecutionRequest, examine};
use crate::job::Grade;
use crate::model::with_causes;
use crate::system::cancellation::Cancellation;

/// Problems found, by profile, runner name and number of GPUs; `None` if there are none.
#[derive(Default)]
pub(super) struct Examined(HashMap<(Option<String>, Option<String>, u64), Option<String>>);

impl Examined {
    /// Why this machine cannot run the row; `None` if it can.
    pub(super) fn unfitness(&mut self, request: &ExecutionRequest, cancellation: &Cancellation) -> Option<String> {
        let gpus = request.row.layout.gpus();
        let key = (request.profile.clone(), request.runner_name.clone(), gpus);
        self.0
            .entry(key)
            .or_insert_with(|| examine_for(request, gpus, cancellation))
            .clone()
    }
}

fn examine_for(request: &ExecutionRequest, gpus: u64, cancellation: &Cancellation) -> Option<String> {
    let examination = ExaminationRequest {
        profile: request.profile.clone(),
        runner_dir: request.runner_dir.clone(),
        runner_name: request.runner_name.clone(),
        gpus: Some(gpus),
        inside_job: false,
        out: request.out.clone(),
        port: None,
    };
    match tokio::task::block_in_place(|| examine(&examination, cancellation)) {
        Err(error) => Some(with_causes(&error)),
        Ok(examination) => {
            let failed = examination.findings.iter().filter(|finding| finding.grade == Grade::Failed);
            let problems: Vec<String> = failed
                .map(|finding| format!("{}: {}", finding.check.as_str(), finding.detail))
                .collect();
            (!problems.is_empty()).then(|| problems.join("; "))
        }
    }
}
