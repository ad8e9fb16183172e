//! What categories are called where there is room.

use valuesim_shared::codebook::Category;

/// The category's name in charts; `None` stands for all questions.
pub(super) const fn category_label(category: Option<Category>) -> &'static str {
    match category {
        Some(Category::Core) => "Social values",
        Some(Category::Happiness) => "Happiness",
        Some(Category::Trust) => "Social capital, trust",
        Some(Category::Economy) => "Economic values",
        Some(Category::Security) => "Migration, security",
        Some(Category::Tech) => "Science, technology",
        Some(Category::Morals) => "Religion, ethics",
        Some(Category::Politics) => "Politics",
        Some(Category::Demographics) => "Demographics",
        None => "All questions",
    }
}

/// The nine categories and all questions.
pub(super) fn categories_and_all() -> impl Iterator<Item = Option<Category>> {
    Category::ALL.into_iter().map(Some).chain([None])
}
