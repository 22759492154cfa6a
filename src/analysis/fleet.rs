//! From a demand to GPUs, power and money, for whole deployments that are paid for the whole month, used or not.

use serde::Serialize;

/// Hours of a month, a twelfth of 8,760.
pub(super) const HOURS_A_MONTH: f64 = 730.0;
const SECONDS_AN_HOUR: f64 = 3600.0;

/// One deployment of a configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DeploymentRates {
    pub gpus: f64,
    /// Tokens of the wanted kind a second.
    pub tokens_per_s: f64,
    /// Power with hosts and facility, watts.
    pub watts: f64,
    pub usd_per_hour: f64,
    /// Requests in flight.
    pub users: f64,
}

/// What a fleet has to do, or may draw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FleetDemand {
    TokensPerMonth(f64),
    /// Power of the site, kilowatts.
    Kilowatts(f64),
}

/// Deployments of one configuration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fleet {
    pub deployments: f64,
    pub gpus: f64,
    /// With hosts and facility, at the power that was measured under load or the design power.
    pub power_kw: f64,
    pub usd_per_month: f64,
    /// Tokens that it can serve in a month at the utilisation that was asked for.
    pub tokens_per_month: f64,
    /// Requests in flight at the same time, at the utilisation that was asked for.
    pub users: f64,
    /// US dollars for a million tokens when the demand is served: the whole month is paid. For a power limit, at the utilisation.
    pub usd_per_million: f64,
}

impl DeploymentRates {
    /// Tokens of a month when it is busy all the time.
    pub fn tokens_per_month(&self) -> f64 {
        self.tokens_per_s * HOURS_A_MONTH * SECONDS_AN_HOUR
    }

    pub fn usd_per_month(&self) -> f64 {
        self.usd_per_hour * HOURS_A_MONTH
    }

    /// The fleet for a demand. `utilisation`, above 0 and at most 1, is the share of the time that deployments may be busy on average.
    /// `None` if no deployment fits, or the numbers are not finite.
    pub fn fleet(&self, demand: FleetDemand, utilisation: f64) -> Option<Fleet> {
        let each = self.tokens_per_month() * utilisation;
        let (deployments, served) = match demand {
            FleetDemand::TokensPerMonth(tokens) => ((tokens / each).ceil(), tokens),
            FleetDemand::Kilowatts(kilowatts) => {
                let deployments = (kilowatts * 1000.0 / self.watts).floor();
                (deployments, deployments * each)
            }
        };
        if !(deployments.is_finite() && deployments >= 1.0) {
            return None;
        }
        let usd_per_month = deployments * self.usd_per_month();
        Some(Fleet {
            deployments,
            gpus: deployments * self.gpus,
            power_kw: deployments * self.watts / 1000.0,
            usd_per_month,
            tokens_per_month: deployments * each,
            users: deployments * self.users * utilisation,
            usd_per_million: usd_per_month / served * 1e6,
        })
    }
}

/// Where serving a model oneself costs as much as an API.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BreakEven {
    /// Tokens a month for which the API costs as much as one deployment that is paid for the whole month.
    pub tokens_per_month: f64,
    /// These tokens as a share of what the deployment can serve: above 1 the API is always cheaper.
    pub utilisation: f64,
    /// What a million tokens of a deployment that is always busy cost less than the API's, US dollars; negative where they cost more.
    pub saved_usd_per_million: f64,
}

impl DeploymentRates {
    /// `None` where the API is free.
    pub fn break_even(&self, api_usd_per_million: f64) -> Option<BreakEven> {
        let tokens = self.usd_per_month() / api_usd_per_million * 1e6;
        let own = self.usd_per_month() / self.tokens_per_month() * 1e6;
        tokens.is_finite().then(|| BreakEven {
            tokens_per_month: tokens,
            utilisation: tokens / self.tokens_per_month(),
            saved_usd_per_million: api_usd_per_million - own,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    /// 8 GPUs at 2 $/h that make 1000 tokens a second: 2.628 billion tokens and 11,680 $ a month.
    const DEPLOYMENT: DeploymentRates = DeploymentRates {
        gpus: 8.0,
        tokens_per_s: 1000.0,
        watts: 10_000.0,
        usd_per_hour: 16.0,
        users: 64.0,
    };

    #[test]
    fn fleet_is_made_of_whole_deployments() {
        for (demand, utilisation, deployments) in [
            (FleetDemand::TokensPerMonth(1.0), 1.0, Some(1.0)),
            (FleetDemand::TokensPerMonth(2.628e9), 1.0, Some(1.0)),
            (FleetDemand::TokensPerMonth(2.629e9), 1.0, Some(2.0)),
            (FleetDemand::TokensPerMonth(2.628e9), 0.5, Some(2.0)),
            (FleetDemand::Kilowatts(10.0), 0.5, Some(1.0)),
            (FleetDemand::Kilowatts(9.9), 1.0, None),
            (FleetDemand::Kilowatts(1000.0), 1.0, Some(100.0)),
        ] {
            let fleet = DEPLOYMENT.fleet(demand, utilisation);
            assert_eq!(fleet.map(|fleet| fleet.deployments), deployments, "{demand:?} at {utilisation}");
        }
    }

    #[test]
    fn fleet_is_paid_whole_while_its_users_share_the_utilisation() {
        let fleet = DEPLOYMENT.fleet(FleetDemand::TokensPerMonth(2.628e9), 0.5).unwrap();
        assert_eq!((fleet.gpus, fleet.power_kw, fleet.usd_per_month), (16.0, 20.0, 23_360.0));
        assert_eq!((fleet.tokens_per_month, fleet.users), (2.628e9, 64.0));
        assert!((fleet.usd_per_million - 23_360.0 / 2628.0).abs() < 1e-9, "{fleet:?}");
        let nothing = DeploymentRates {
            tokens_per_s: 0.0,
            ..DEPLOYMENT
        };
        assert_eq!(nothing.fleet(FleetDemand::TokensPerMonth(1.0), 1.0), None);
    }

    #[test]
    fn break_even_is_a_share_of_the_capacity() {
        // Busy all month, a million tokens cost 4.44 $.
        let cheap = DEPLOYMENT.break_even(8.888_888_888_888_89).unwrap();
        assert!(
            (cheap.utilisation - 0.5).abs() < 1e-9 && (cheap.tokens_per_month / 1.314e9 - 1.0).abs() < 1e-9,
            "{cheap:?}"
        );
        assert!((cheap.saved_usd_per_million - 4.444_444_444).abs() < 1e-6, "{cheap:?}");
        let dear = DEPLOYMENT.break_even(2.222_222_222).unwrap();
        assert!(dear.utilisation > 1.99 && dear.saved_usd_per_million < 0.0, "{dear:?}");
        assert_eq!(DEPLOYMENT.break_even(0.0), None);
    }
}
