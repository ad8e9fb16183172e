//! The traits themselves, and what is known about those of one person.

/// How many traits there are.
pub const TRAITS: usize = Trait::ALL.len();

/// A lasting difference between people that affects many of their answers; a higher value means more of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trait {
    /// Faith and practice.
    Religiosity,
    /// Trust in other people.
    Trust,
    /// Confidence in institutions.
    Confidence,
    /// Acceptance of abortion, divorce, homosexuality and the like.
    Permissiveness,
    /// Support for equality of women and men, and for democracy.
    Equality,
    /// Liking for obedience, duty and strong leaders.
    Authority,
    /// Ease with foreigners and with people who are different.
    Openness,
    /// Freedom from material want.
    Security,
    /// Interest and activity in politics.
    Engagement,
    /// Membership in organizations.
    Membership,
    /// Happiness and health.
    Wellbeing,
    /// Hope in science and technology.
    Science,
    /// Preference for the market over the state.
    Market,
    /// Belief that officials and elections are clean.
    Integrity,
    /// Fear of crime, war and loss.
    Worry,
    /// Leniency with cheating and violence.
    Leniency,
    /// Years lived.
    Age,
    /// Years of education.
    Education,
    /// Household income and class.
    Income,
    /// Being a woman: a continuous trait like the others; the question about sex shows its sign.
    Female,
    /// Closeness to place and country.
    Belonging,
}

impl Trait {
    /// All traits, in the order of the tables.
    pub const ALL: [Self; 21] = [
        Self::Religiosity,
        Self::Trust,
        Self::Confidence,
        Self::Permissiveness,
        Self::Equality,
        Self::Authority,
        Self::Openness,
        Self::Security,
        Self::Engagement,
        Self::Membership,
        Self::Wellbeing,
        Self::Science,
        Self::Market,
        Self::Integrity,
        Self::Worry,
        Self::Leniency,
        Self::Age,
        Self::Education,
        Self::Income,
        Self::Female,
        Self::Belonging,
    ];

    /// The trait's name in the tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Religiosity => "religiosity",
            Self::Trust => "trust",
            Self::Confidence => "confidence",
            Self::Permissiveness => "permissiveness",
            Self::Equality => "equality",
            Self::Authority => "authority",
            Self::Openness => "openness",
            Self::Security => "security",
            Self::Engagement => "engagement",
            Self::Membership => "membership",
            Self::Wellbeing => "wellbeing",
            Self::Science => "science",
            Self::Market => "market",
            Self::Integrity => "integrity",
            Self::Worry => "worry",
            Self::Leniency => "leniency",
            Self::Age => "age",
            Self::Education => "education",
            Self::Income => "income",
            Self::Female => "female",
            Self::Belonging => "belonging",
        }
    }

    /// The trait's position in [`Trait::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The trait that has this name in the tables.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|candidate| candidate.name() == name)
    }
}

/// A trait and its weight.
pub(crate) type Weighted = (Trait, f64);

/// Reads weights such as `religiosity 0.6, permissiveness -0.2` from a table of this crate.
pub(crate) fn weights(text: &str) -> Vec<Weighted> {
    let weight = |entry: &str| {
        let (name, weight) = entry.trim().split_once(' ')?;
        Some((Trait::named(name)?, weight.parse().ok()?))
    };
    text.split(',').map(|entry| weight(entry).expect("tables of this crate name traits and their weights")).collect()
}

/// What is known about a person's traits.
#[derive(Debug, Clone, PartialEq)]
pub struct Traits {
    /// The best guess of each trait, in standard deviations of the population.
    pub(super) means: [f64; TRAITS],
    /// How uncertain each guess is, as a variance: 1 when nothing is known, 0 when the trait is known exactly.
    pub(super) variances: [f64; TRAITS],
}

impl Traits {
    /// A person about whom nothing is known.
    pub const fn unknown() -> Self {
        Self { means: [0.0; TRAITS], variances: [1.0; TRAITS] }
    }

    /// The best guess of a trait, in standard deviations of the population.
    pub const fn mean(&self, of: Trait) -> f64 {
        self.means[of.index()]
    }

    /// How uncertain the guess is, as a variance between 0 (known) and 1 (nothing known).
    pub const fn variance(&self, of: Trait) -> f64 {
        self.variances[of.index()]
    }
}
