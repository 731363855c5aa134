//! Where an event came from, how its user was reached, and whose customer the user was first.

/// Where an event came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Source {
    /// The app itself.
    App = 0,
    /// The SMS gateway: what became of messages.
    Sms = 1,
    /// Branches, the call centre and back offices.
    Branch = 2,
    /// Merchants, who see payments by other ways than the app.
    Merchant = 3,
}

impl Source {
    /// In the order of their codes.
    pub const ALL: [Self; 4] = [Self::App, Self::Sms, Self::Branch, Self::Merchant];

    /// As configuration and the `source` header name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Sms => "sms",
            Self::Branch => "branch",
            Self::Merchant => "merchant",
        }
    }

    /// The source of that name; `None` where there is none.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == text)
    }

    /// The channel of an event that names none.
    pub const fn channel(self) -> Channel {
        match self {
            Self::App => Channel::App,
            Self::Sms => Channel::Sms,
            Self::Branch => Channel::Branch,
            Self::Merchant => Channel::Merchant,
        }
    }
}

/// How a user was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Channel {
    /// Named by none, or by a name that this version does not know.
    Unknown = 0,
    /// The app.
    App,
    /// WeChat.
    Wechat,
    /// A partner's app or page.
    Partner,
    /// A branch.
    Branch,
    /// A text message.
    Sms,
    /// A call.
    Phone,
    /// A merchant.
    Merchant,
}

impl Channel {
    /// In the order of their codes.
    pub const ALL: [Self; 8] =
        [Self::Unknown, Self::App, Self::Wechat, Self::Partner, Self::Branch, Self::Sms, Self::Phone, Self::Merchant];

    /// As events and outputs name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::App => "app",
            Self::Wechat => "wechat",
            Self::Partner => "partner",
            Self::Branch => "branch",
            Self::Sms => "sms",
            Self::Phone => "phone",
            Self::Merchant => "merchant",
        }
    }

    /// The channel of that name; `None` where there is none.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text)
    }
}

/// Whose customer the user was first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Origin {
    /// Ours.
    #[default]
    Own = 0,
    /// A telecom partner's.
    Telecom,
    /// Another partner's.
    Partner,
}

impl Origin {
    /// The origin of that name; `None` where there is none.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "own" => Some(Self::Own),
            "telecom" => Some(Self::Telecom),
            "partner" => Some(Self::Partner),
            _ => None,
        }
    }
}
