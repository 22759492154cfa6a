//! The context from the variables that InferenceX's workflows set for process_result.py.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::{ContextError, Dialect, Gpus, Origin, PointContext};
use crate::matrix::Component;
use crate::model::{CurveKey, Layout, NameError, Parallelism, SeqLens, SpecDecoding, WorkerGroup, Workload};
use crate::result::{Json, Object, number};

/// The variables that every result needs, in the order in which the original tool lists missing ones.
const BASE: [&str; 10] = [
    "RUNNER_TYPE",
    "FRAMEWORK",
    "PRECISION",
    "SPEC_DECODING",
    "RESULT_FILENAME",
    "ISL",
    "OSL",
    "DISAGG",
    "MODEL_PREFIX",
    "IMAGE",
];
const SINGLE_NODE: [&str; 3] = ["TP", "EP_SIZE", "DP_ATTENTION"];
const MULTI_NODE: [&str; 10] = [
    "PREFILL_GPUS",
    "DECODE_GPUS",
    "PREFILL_NUM_WORKERS",
    "PREFILL_TP",
    "PREFILL_EP",
    "PREFILL_DP_ATTN",
    "DECODE_NUM_WORKERS",
    "DECODE_TP",
    "DECODE_EP",
    "DECODE_DP_ATTN",
];

/// The variables of one group of workers.
struct GroupNames {
    workers: &'static str,
    tp: &'static str,
    pp: &'static str,
    dcp: &'static str,
    pcp: &'static str,
    ep: &'static str,
    dp_attn: &'static str,
    hardware: &'static str,
}

const PREFILL: GroupNames = GroupNames {
    workers: "PREFILL_NUM_WORKERS",
    tp: "PREFILL_TP",
    pp: "PREFILL_PP_SIZE",
    dcp: "PREFILL_DCP_SIZE",
    pcp: "PREFILL_PCP_SIZE",
    ep: "PREFILL_EP",
    dp_attn: "PREFILL_DP_ATTN",
    hardware: "PREFILL_HARDWARE",
};
const DECODE: GroupNames = GroupNames {
    workers: "DECODE_NUM_WORKERS",
    tp: "DECODE_TP",
    pp: "DECODE_PP_SIZE",
    dcp: "DECODE_DCP_SIZE",
    pcp: "DECODE_PCP_SIZE",
    ep: "DECODE_EP",
    dp_attn: "DECODE_DP_ATTN",
    hardware: "DECODE_HARDWARE",
};

pub(super) struct Environment<'a, L> {
    pub(super) lookup: &'a L,
    pub(super) dialect: Dialect,
}

impl<L: Fn(&str) -> Option<String>> Environment<'_, L> {
    pub(super) fn context(&self) -> Result<PointContext, ContextError> {
        self.require(&BASE)?;
        let multi_node = self.flag("IS_MULTINODE");
        let disagg = self.flag("DISAGG");
        let router = self.router()?;
        let (layout, gpus, dp_attention) = if multi_node {
            self.multi_node()?
        } else {
            self.single_node(disagg)?
        };
        let lens = SeqLens {
            isl: self.size("ISL")?,
            osl: self.size("OSL")?,
        };
        Ok(PointContext {
            origin: Origin::Environment,
            curve: CurveKey {
                model_prefix: self.name("MODEL_PREFIX")?,
                precision: self.name("PRECISION")?,
                runner: self.name("RUNNER_TYPE")?,
                framework: self.name("FRAMEWORK")?,
                spec_decoding: self.spec_decoding()?,
                disagg,
                workload: Workload::FixedSeqLen(lens),
                layout: layout.to_string(),
                variant: BTreeMap::new(),
            },
            model: None,
            image: self.text("IMAGE").unwrap_or_default(),
            lens: Some(lens),
            layout,
            gpus,
            dp_attention,
            recipe_fingerprint: self.newer("RECIPE_FINGERPRINT"),
            router,
            kv_p2p_transfer: self.newer("KV_P2P_TRANSFER"),
        })
    }

    fn text(&self, variable: &str) -> Option<String> {
        (self.lookup)(variable)
    }

    /// A variable that the older dialect does not know; empty means not set.
    fn newer(&self, variable: &str) -> Option<String> {
        match self.dialect {
            Dialect::Current => self.text(variable).filter(|value| !value.is_empty()),
            Dialect::February => None,
        }
    }

    fn require(&self, variables: &[&'static str]) -> Result<(), ContextError> {
        let missing: Vec<_> = variables.iter().copied().filter(|variable| self.text(variable).is_none()).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(ContextError::Missing(missing))
        }
    }

    fn flag(&self, variable: &str) -> bool {
        self.text(variable).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn name<T: std::str::FromStr<Err = NameError>>(&self, variable: &'static str) -> Result<T, ContextError> {
        let text = self.text(variable).unwrap_or_default();
        text.parse().map_err(|source| ContextError::Name { variable, source })
    }

    fn count(&self, variable: &'static str, minimum: u32) -> Result<u32, ContextError> {
        let found = self.text(variable).unwrap_or_default();
        let number = number::whole_from_text(&found).and_then(|number| u32::try_from(number).ok());
        match number {
            Some(number) if number >= minimum => Ok(number),
            Some(_) | None => Err(ContextError::Number { variable, found, minimum }),
        }
    }

    fn size(&self, variable: &'static str) -> Result<NonZeroU32, ContextError> {
        let number = self.count(variable, 1)?;
        Ok(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
    }

    /// A size with the default 1.
    fn newer_size(&self, variable: &'static str) -> Result<NonZeroU32, ContextError> {
        match (self.dialect, self.text(variable)) {
            (Dialect::Current, Some(_)) => self.size(variable),
            (Dialect::Current, None) | (Dialect::February, _) => Ok(NonZeroU32::MIN),
        }
    }

    fn spec_decoding(&self) -> Result<SpecDecoding, ContextError> {
        let text = self.text("SPEC_DECODING").unwrap_or_default();
        spec_decoding(&text).ok_or(ContextError::SpecDecoding(text))
    }

    fn router(&self) -> Result<Option<Component>, ContextError> {
        match self.newer("ROUTER_METADATA").filter(|text| text != "null") {
            None => Ok(None),
            Some(text) => component(&text).map(Some).ok_or(ContextError::Router(text)),
        }
    }

    fn single_node(&self, disagg: bool) -> Result<(Layout, Gpus, Vec<String>), ContextError> {
        if disagg {
            return Err(ContextError::DisaggregatedOnOneNode);
        }
        self.require(&SINGLE_NODE)?;
        let parallelism = Parallelism {
            tp: self.size("TP")?,
            pp: self.newer_size("PP_SIZE")?,
            dcp_size: self.newer_size("DCP_SIZE")?,
            pcp_size: self.newer_size("PCP_SIZE")?,
            ep: self.size("EP_SIZE")?,
            dp_attn: self.flag("DP_ATTENTION"),
            dp_size: self.replicas()?,
        };
        let spelled = self.text("DP_ATTENTION").unwrap_or_default();
        let gpus = Gpus::Together(parallelism.gpus());
        Ok((Layout::SingleNode(parallelism), gpus, vec![spelled]))
    }

    /// Data-parallel replicas. Ranks of data-parallel attention share the GPUs of TP where their number divides it, as
    /// `--tp 8 --dp 8 --enable-dp-attention` of SGLang; with TP 1 each has a GPU of its own, as in vLLM.
    fn replicas(&self) -> Result<NonZeroU32, ContextError> {
        let size = self.newer_size("DP_SIZE")?;
        let tp = self.size("TP")?;
        let is_within_tp = self.flag("DP_ATTENTION") && tp.get() % size.get() == 0;
        Ok(if is_within_tp { NonZeroU32::MIN } else { size })
    }

    fn multi_node(&self) -> Result<(Layout, Gpus, Vec<String>), ContextError> {
        self.require(&MULTI_NODE)?;
        let hardware = [PREFILL.hardware, DECODE.hardware].map(|variable| self.newer(variable));
        if hardware[0].is_some() != hardware[1].is_some() {
            return Err(ContextError::HalfTheHardware);
        }
        let [prefill_hardware, decode_hardware] = hardware;
        let least_decode = match self.dialect {
            Dialect::Current => 0,
            Dialect::February => 1,
        };
        let gpus = Gpus::Apart {
            prefill: self.count("PREFILL_GPUS", 1)?.into(),
            decode: self.count("DECODE_GPUS", least_decode)?.into(),
        };
        let layout = Layout::MultiNode {
            prefill: self.group(&PREFILL, prefill_hardware)?,
            decode: self.group(&DECODE, decode_hardware)?,
        };
        let spelled = [PREFILL.dp_attn, DECODE.dp_attn].map(|variable| self.text(variable).unwrap_or_default());
        Ok((layout, gpus, spelled.into()))
    }

    fn group(&self, names: &GroupNames, hardware: Option<String>) -> Result<WorkerGroup, ContextError> {
        Ok(WorkerGroup {
            num_worker: self.count(names.workers, 0)?,
            parallelism: Parallelism {
                tp: self.size(names.tp)?,
                pp: self.newer_size(names.pp)?,
                dcp_size: self.newer_size(names.dcp)?,
                pcp_size: self.newer_size(names.pcp)?,
                ep: self.size(names.ep)?,
                dp_attn: self.flag(names.dp_attn),
                // The variables of several nodes state the GPUs themselves.
                dp_size: NonZeroU32::MIN,
            },
            hardware,
            additional_settings: None,
        })
    }
}

/// The kind of drafting that a text names.
pub(in crate::result) fn spec_decoding(text: &str) -> Option<SpecDecoding> {
    let known = [SpecDecoding::None, SpecDecoding::Mtp, SpecDecoding::DraftModel];
    known.into_iter().find(|kind| kind.as_str() == text)
}

/// An object with exactly a name and a version, both non-empty.
fn component(text: &str) -> Option<Component> {
    let json = Json::parse(text).ok()?;
    let object = json.as_object().filter(|object| object.len() == 2)?;
    Some(Component {
        name: non_empty_text(object, "name")?,
        version: Some(non_empty_text(object, "version")?),
    })
}

fn non_empty_text(object: &Object, key: &str) -> Option<String> {
    let text = object.get(key).and_then(Json::as_text);
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}
