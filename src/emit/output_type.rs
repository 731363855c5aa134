//! The types of outputs, a row each: what they are called, by which number ids tell them apart, and the topic that
//! carries them.
//!
//! May break every id and every reader if a name or a number is given to something else.

use crate::domain::OutputTopic;
use crate::engine::AnnouncementKind;

macro_rules! output_types {
    ($(
        $(#[doc = $doc:literal])+
        $Type:ident { name: $name:literal, number: $number:literal, topic: $Topic:ident },
    )+) => {
        /// What an output says, as its `ce_type` and the label of its count tell.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum OutputType {
            $($(#[doc = $doc])+ $Type,)+
        }

        impl OutputType {
            /// All of them, in the order of the table.
            pub const ALL: [Self; [$($number),+].len()] = [$(Self::$Type),+];

            /// The label of its count.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Type => $name,)+
                }
            }

            /// As CloudEvents name it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$Type => concat!("tideline.", $name),)+
                }
            }

            /// In ids: its field's number in `proto/signals/v1`. Never given to another.
            pub const fn number(self) -> u8 {
                match self {
                    $(Self::$Type => $number,)+
                }
            }

            /// The topic that carries it.
            pub const fn topic(self) -> OutputTopic {
                match self {
                    $(Self::$Type => OutputTopic::$Topic,)+
                }
            }
        }
    };
}

output_types! {
    /// A user moved on the ladder.
    TierChanged { name: "tier_changed", number: 16, topic: TierChanges },
    /// A silence has reached a stage.
    DormancyRisk { name: "dormancy_risk", number: 17, topic: DormancyRisk },
    /// A silence that had been announced has ended.
    DormancyCleared { name: "dormancy_cleared", number: 18, topic: DormancyRisk },
}

impl OutputType {
    /// That of an announcement.
    pub const fn of(kind: &AnnouncementKind) -> Self {
        match kind {
            AnnouncementKind::TierChanged { .. } => Self::TierChanged,
            AnnouncementKind::DormancyRisk { .. } => Self::DormancyRisk,
            AnnouncementKind::DormancyCleared { .. } => Self::DormancyCleared,
        }
    }
}
