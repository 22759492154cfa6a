//! Which scenarios of which configs are already planned: entries overlap, and nothing may run twice.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;

use crate::changelog::ScenarioType;
use crate::model::ConfigKey;

/// The claimed scenarios of each config.
#[derive(Debug, Default)]
pub struct Coverage<'a> {
    claimed: HashMap<&'a ConfigKey, HashSet<ScenarioType>>,
}

impl<'a> Coverage<'a> {
    /// Claims scenarios of configs and returns those not claimed before: configs grouped by their newly claimed
    /// scenarios, in the order in which each group first occurs.
    pub fn claim(&mut self, keys: &[&'a ConfigKey], scenarios: &[ScenarioType]) -> IndexMap<Vec<ScenarioType>, Vec<&'a ConfigKey>> {
        let mut groups: IndexMap<Vec<ScenarioType>, Vec<&ConfigKey>> = IndexMap::new();
        for key in keys {
            let claimed = self.claimed.entry(key).or_default();
            let new: Vec<ScenarioType> = scenarios.iter().copied().filter(|scenario| claimed.insert(*scenario)).collect();
            if !new.is_empty() {
                groups.entry(new).or_default().push(key);
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ScenarioType::{AgenticCoding, FixedSeqLen};

    #[test]
    fn each_scenario_of_a_config_is_claimed_once() {
        let [a, b, c]: [ConfigKey; 3] = ["a", "b", "c"].map(|key| key.parse().unwrap());
        let mut coverage = Coverage::default();
        assert_eq!(
            coverage.claim(&[&b], &[AgenticCoding]),
            IndexMap::from([(vec![AgenticCoding], vec![&b])])
        );
        let groups = coverage.claim(&[&a, &b, &c], &ScenarioType::ALL);
        let wanted = IndexMap::from([(vec![FixedSeqLen, AgenticCoding], vec![&a, &c]), (vec![FixedSeqLen], vec![&b])]);
        assert_eq!(groups, wanted);
        assert!(coverage.claim(&[&a, &b], &[FixedSeqLen]).is_empty());
    }
}
