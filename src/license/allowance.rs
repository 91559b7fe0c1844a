//! What a license may do: its plan's limits, with those in their place that were set for it alone.

use std::{collections::HashMap, fmt, num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::License;
use crate::{
    names::PlanName,
    quota::{Meter, Rate},
};

/// The limits that hold for a license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Calls of one session.
    pub session: Rate,
    /// Calls of the license in a minute.
    pub per_minute: Option<NonZeroU32>,
    /// Calls of the license in a UTC day.
    pub per_day: Option<NonZeroU32>,
    /// Calls of the license in a UTC calendar month.
    pub per_month: Option<NonZeroU32>,
    /// Cost units of the license in a UTC day.
    pub cost_per_day: Option<NonZeroU32>,
    /// Calls of the license at once.
    pub concurrent: Option<NonZeroU32>,
}

impl Allowance {
    /// Only the session's rate is limited.
    pub const fn of_session(session: Rate) -> Self {
        Self {
            session,
            per_minute: None,
            per_day: None,
            per_month: None,
            cost_per_day: None,
            concurrent: None,
        }
    }

    /// How much of a meter's window the license has; none: as much as it likes.
    pub fn of_meter(&self, meter: Meter) -> Option<u32> {
        let limit = match meter {
            Meter::CallsDay => self.per_day,
            Meter::CallsMonth => self.per_month,
            Meter::CostDay => self.cost_per_day,
        };
        limit.map(NonZeroU32::get)
    }

    /// With the license's own limits in place of these.
    #[must_use]
    pub fn overridden(self, by: &Overrides) -> Self {
        Self {
            session: by.session.unwrap_or(self.session),
            per_minute: by.per_minute.or(self.per_minute),
            per_day: by.per_day.or(self.per_day),
            per_month: by.per_month.or(self.per_month),
            cost_per_day: by.cost_per_day.or(self.cost_per_day),
            concurrent: by.concurrent.or(self.concurrent),
        }
    }
}

/// One limit of a license in place of its plan's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Override {
    /// The plan's holds.
    #[default]
    Plan,
    /// None holds.
    Unlimited,
    /// This holds.
    At(NonZeroU32),
}

impl Override {
    fn or(self, plan: Option<NonZeroU32>) -> Option<NonZeroU32> {
        match self {
            Self::Plan => plan,
            Self::Unlimited => None,
            Self::At(limit) => Some(limit),
        }
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde asks for"
    )]
    fn is_plan(&self) -> bool {
        *self == Self::Plan
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan => f.write_str("plan"),
            Self::Unlimited => f.write_str("none"),
            Self::At(limit) => limit.fmt(f),
        }
    }
}

/// Why a text is not a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a number from 1 on, `none` for no limit, or `plan` for the plan's")]
pub struct OverrideError;

impl FromStr for Override {
    type Err = OverrideError;

    fn from_str(text: &str) -> Result<Self, OverrideError> {
        match text {
            "plan" => Ok(Self::Plan),
            "none" => Ok(Self::Unlimited),
            number => number
                .replace('_', "")
                .parse()
                .map(Self::At)
                .map_err(|_| OverrideError),
        }
    }
}

/// Left out: the plan's. `null`: none.
impl Serialize for Override {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.or(None).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Override {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|limit| limit.map_or(Self::Unlimited, Self::At))
    }
}

/// The limits that were set for one license alone. Its tools are narrowed elsewhere:
/// [`License::tools`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Calls in a minute.
    #[serde(default, skip_serializing_if = "Override::is_plan")]
    pub per_minute: Override,
    /// Calls in a UTC day.
    #[serde(default, skip_serializing_if = "Override::is_plan")]
    pub per_day: Override,
    /// Calls in a UTC calendar month.
    #[serde(default, skip_serializing_if = "Override::is_plan")]
    pub per_month: Override,
    /// Cost units in a UTC day.
    #[serde(default, skip_serializing_if = "Override::is_plan")]
    pub cost_per_day: Override,
    /// Calls at once.
    #[serde(default, skip_serializing_if = "Override::is_plan")]
    pub concurrent: Override,
    /// Calls of one session; none: what every session has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Rate>,
}

/// What every plan of a configuration allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans {
    session: Rate,
    plans: HashMap<PlanName, Allowance>,
}

impl Plans {
    /// Of these plans; `session` is the rate of every session.
    pub fn new(session: Rate, plans: impl IntoIterator<Item = (PlanName, Allowance)>) -> Self {
        Self {
            session,
            plans: plans.into_iter().collect(),
        }
    }

    /// The limits of this license: one look-up, nothing is allocated. Of a plan that is gone only
    /// the session's rate holds; its license sees no tool.
    pub fn of(&self, license: &License) -> Allowance {
        self.plans
            .get(&license.plan)
            .copied()
            .unwrap_or_else(|| Allowance::of_session(self.session))
            .overridden(&license.overrides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_its_own_stands_in_place_of_the_plans() {
        let number = NonZeroU32::new;
        let plan = Allowance {
            per_day: number(100),
            per_month: number(1_000),
            concurrent: number(4),
            ..Allowance::of_session("60/min".parse().unwrap())
        };
        let own = Overrides {
            per_day: Override::At(NonZeroU32::MIN),
            per_month: Override::Unlimited,
            cost_per_day: "5_000".parse().unwrap(),
            session: "1/s".parse().ok(),
            ..Overrides::default()
        };
        let holds = plan.overridden(&own);
        assert_eq!(holds.of_meter(Meter::CallsDay), Some(1));
        assert_eq!(holds.of_meter(Meter::CallsMonth), None);
        assert_eq!(holds.of_meter(Meter::CostDay), Some(5_000));
        assert_eq!((holds.concurrent, holds.per_minute), (number(4), None));
        assert_eq!(holds.session.to_string(), "1/s");
        assert_eq!(plan.overridden(&Overrides::default()), plan);
    }

    #[test]
    fn what_is_stored_tells_the_plans_limit_from_none() {
        let own = Overrides {
            per_day: Override::Unlimited,
            per_minute: Override::At(NonZeroU32::MIN),
            ..Overrides::default()
        };
        let text = serde_json::to_string(&own).unwrap();
        assert_eq!(text, r#"{"per_minute":1,"per_day":null}"#);
        assert_eq!(serde_json::from_str::<Overrides>(&text).unwrap(), own);
        assert_eq!(serde_json::to_string(&Overrides::default()).unwrap(), "{}");
        for bad in ["0", "-1", "", "many", "4294967296"] {
            assert_eq!(bad.parse::<Override>(), Err(OverrideError), "{bad}");
        }
    }
}
