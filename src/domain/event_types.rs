//! The event types of the input contract: ONE table of their names, who may send them, and what they are to a user.
//!
//! A new type is a row here and a variant of [`Body`]: without the variant it doesn't compile, nor does one with data
//! whose fields nobody reads (`ingest::envelope`).

use super::{Body, MessageEvent, Source};

/// What a type is to the user whom it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A completed transaction: where the user made it (not `data.auto`), it earns a tier and ends a silence.
    Key,
    /// Takes a transaction back.
    Reversal,
    /// Anything else that the user did, or that befell him.
    Process,
    /// The application's own message to the user, and what became of it: says nothing of the user's being there.
    Contact,
    /// Ends all that is known of the user.
    Erasure,
}

/// A type's data, as far as the fold wants it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    /// It has none: the whole body.
    Bare(Body),
    /// It has some.
    Data(DataType),
}

macro_rules! event_types {
    (
        bare { $($bare:ident $bare_name:literal [$($bare_source:ident),+] $bare_role:ident;)+ }
        data { $($data:ident $data_name:literal [$($data_source:ident),+] $data_role:ident;)+ }
        message { $($message:ident $message_name:literal [$($message_source:ident),+] $message_role:ident;)+ }
    ) => {
        /// A type of the input contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names of the input contract say what they are")]
        pub enum EventType {
            $($bare,)+
            $($data,)+
            Message(MessageEvent),
        }

        /// A type that has data.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names of the input contract say what they are")]
        pub enum DataType {
            $($data,)+
            Message(MessageEvent),
        }

        impl EventType {
            /// All of them.
            pub const ALL: &[Self] = &[
                $(Self::$bare,)+
                $(Self::$data,)+
                $(Self::Message(MessageEvent::$message),)+
            ];

            /// The name in `type`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$bare => $bare_name,)+
                    $(Self::$data => $data_name,)+
                    $(Self::Message(MessageEvent::$message) => $message_name,)+
                }
            }

            /// The type of that name. `None` for one that this version does not know.
            pub fn parse(name: &str) -> Option<Self> {
                Some(match name {
                    $($bare_name => Self::$bare,)+
                    $($data_name => Self::$data,)+
                    $($message_name => Self::Message(MessageEvent::$message),)+
                    _ => return None,
                })
            }

            /// Whether `source` may send this type.
            pub const fn allowed_from(self, source: Source) -> bool {
                match self {
                    $(Self::$bare => matches!(source, $(Source::$bare_source)|+),)+
                    $(Self::$data => matches!(source, $(Source::$data_source)|+),)+
                    $(Self::Message(MessageEvent::$message) => matches!(source, $(Source::$message_source)|+),)+
                }
            }

            /// What it is to the user.
            pub const fn role(self) -> Role {
                match self {
                    $(Self::$bare => Role::$bare_role,)+
                    $(Self::$data => Role::$data_role,)+
                    $(Self::Message(MessageEvent::$message) => Role::$message_role,)+
                }
            }

            /// The body of a type without data, or which data there is.
            pub const fn form(self) -> Form {
                match self {
                    $(Self::$bare => Form::Bare(Body::$bare),)+
                    $(Self::$data => Form::Data(DataType::$data),)+
                    Self::Message(event) => Form::Data(DataType::Message(event)),
                }
            }
        }

        impl Body {
            /// The type; `None` where this version does not know it.
            pub const fn event_type(&self) -> Option<EventType> {
                Some(match self {
                    Self::Unknown => return None,
                    $(Self::$bare => EventType::$bare,)+
                    $(Self::$data { .. } => EventType::$data,)+
                    Self::Message { event, .. } => EventType::Message(*event),
                })
            }
        }
    };
}

event_types! {
    // type                  name                          sources                       role
    bare {
        AppDownloaded            "app.downloaded"              [App]                         Process;
        UserRegistered           "user.registered"             [App]                         Process;
        AppLogin                 "app.login"                   [App]                         Process;
        AppUninstalled           "app.uninstalled"             [App]                         Process;
        CheckinDone              "checkin.done"                [App]                         Process;
        CourseJoined             "course.joined"               [App]                         Process;
        CourseCompleted          "course.completed"            [App]                         Process;
        GroupJoined              "group.joined"                [App]                         Process;
        AdviserAdded             "adviser.added"               [App]                         Process;
        PushOpened               "push.opened"                 [App]                         Process;
        BranchVisited            "branch.visited"              [Branch]                      Process;
        TelecomPackageSubscribed "telecom.package_subscribed"  [Branch]                      Process;
        TelecomPackageCancelled  "telecom.package_cancelled"   [Branch]                      Process;
        ComplaintOpened          "complaint.opened"            [Branch]                      Process;
        ComplaintClosed          "complaint.closed"            [Branch]                      Process;
        UserErased               "user.erased"                 [App, Sms, Branch, Merchant]  Erasure;
    }
    data {
        AppViewed                "app.viewed"                  [App]                         Process;
        CardBound                "card.bound"                  [App]                         Process;
        PaymentCompleted         "payment.completed"           [App, Merchant]               Key;
        PaymentRefunded          "payment.refunded"            [App, Merchant]               Reversal;
        WealthBought             "wealth.bought"               [App]                         Key;
        WealthRedeemed           "wealth.redeemed"             [App]                         Process;
        LoanDrawn                "loan.drawn"                  [App]                         Key;
        LoanDueScheduled         "loan.due_scheduled"          [App]                         Process;
        LoanRepaid               "loan.repaid"                 [App]                         Key;
        BillPaid                 "bill.paid"                   [Branch]                      Key;
        CouponIssued             "coupon.issued"               [App]                         Process;
        CouponRedeemed           "coupon.redeemed"             [App, Merchant]               Process;
        CouponExpired            "coupon.expired"              [App]                         Process;
        RedpacketOpened          "redpacket.opened"            [App]                         Process;
        PushPermissionChanged    "push.permission_changed"     [App]                         Process;
        ConsentChanged           "consent.changed"             [App]                         Process;
        SurveyAnswered           "survey.answered"             [App]                         Process;
        RebateCredited           "rebate.credited"             [Branch]                      Process;
    }
    message {
        Sent                     "message.sent"                [Sms]                         Contact;
        Delivered                "message.delivered"           [Sms]                         Contact;
        Failed                   "message.failed"              [Sms]                         Contact;
        Clicked                  "message.clicked"             [Sms]                         Contact;
        Replied                  "message.replied"             [Sms]                         Contact;
        OptedOut                 "message.opted_out"           [Sms]                         Contact;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_its_types_own() {
        for &event_type in EventType::ALL {
            assert_eq!(EventType::parse(event_type.as_str()), Some(event_type));
            if let Form::Bare(body) = event_type.form() {
                assert_eq!(body.event_type(), Some(event_type));
            }
        }
        assert_eq!(EventType::ALL.len(), 40);
        assert_eq!(EventType::parse("weather.changed"), None);
    }
}
