//! The figures over all questions: scores by category, Figures 2 and 3 of the paper, the radar, models and methods.

use valuesim_shared::codebook::Category;
use valuesim_shared::method::Method;

use super::super::document::{Block, Figure, Section};
use super::super::lineup::{Lineup, LineupArm, Purpose};
use super::category_label::{categories_and_all, category_label};
use crate::chart::{Axis, ChartRow, DotPlot, GroupedBars, Heading, Lines, Look, Panel, Radar, Series, Unit, Value};
use crate::grouped::grouped;
use crate::results::Measure;

/// The section with the figures.
pub(crate) fn section(lineup: &Lineup<'_>) -> Section {
    let mut by_category = Measure::ALL.into_iter().flat_map(|measure| all_by_category(lineup, measure));
    let first = by_category.next().map(|figure| figure.numbered(1));
    let mut blocks: Vec<Block> = first.into_iter().map(Block::Figure).collect();
    blocks.extend(profile_scale(lineup));
    blocks.extend(by_category.map(Block::Figure));
    blocks.extend(radars(lineup));
    blocks.extend(Measure::ALL.into_iter().filter_map(|measure| by_model(lineup, measure)).map(Block::Figure));
    Section { id: "figures", title: "Figures".to_owned(), blocks }
}

const fn id(measure: Measure) -> &'static str {
    match measure {
        Measure::Accuracy => "accuracy",
        Measure::Mae => "mae",
    }
}

fn title(measure: Measure) -> &'static str {
    match measure {
        Measure::Accuracy => "Share of held-out answers predicted exactly",
        Measure::Mae => "Mean absolute error as a share of the scale",
    }
}

fn axis(measure: Measure) -> Axis {
    let title = match measure {
        Measure::Accuracy => "accuracy (higher is better)",
        Measure::Mae => "MAE (lower is better)",
    };
    Axis { title: title.to_owned(), unit: Unit::Score, from_zero: false }
}

/// What stands above a figure of these arms.
pub(super) fn heading(lineup: &Lineup<'_>, title: String, arms: &[LineupArm<'_>]) -> Heading {
    let people = arms.iter().map(|arm| arm.results.score.respondents).max().unwrap_or(0);
    let subtitle = format!("{} respondents; whiskers are 95 % intervals over people", grouped(people));
    Heading { title, warning: lineup.warning(), subtitle }
}

fn score(arm: &LineupArm<'_>, category: Option<Category>, measure: Measure) -> Option<Value> {
    let score = &arm.results.score;
    let own = category.is_none_or(|category| score.categories.contains_key(&category));
    own.then(|| score.score(category).headline(measure).map(Value::from)).flatten()
}

/// The figures of scores by category, model by model where one cannot show all.
fn all_by_category(lineup: &Lineup<'_>, measure: Measure) -> Vec<Figure> {
    let figure = |(at, (model, arms)): (usize, (String, Vec<LineupArm<'_>>))| {
        let chart = by_category(lineup, measure, &model, &arms);
        let id = format!("{}-by-category-{}", id(measure), at + 1);
        Figure::new(id, by_category_caption(measure), |width| chart.draw(width))
    };
    lineup.figures(&lineup.methods()).into_iter().enumerate().map(figure).collect()
}

/// Scores by category of some arms, each beside what the paper published, and of the yardsticks.
fn by_category(lineup: &Lineup<'_>, measure: Measure, model: &str, arms: &[LineupArm<'_>]) -> DotPlot {
    let suffix = if model.is_empty() { String::new() } else { format!(": {model}") };
    let mut columns: Vec<(Series, Vec<Option<Value>>)> = Vec::new();
    let scores = |arm: &LineupArm<'_>| categories_and_all().map(|category| score(arm, category, measure)).collect();
    for arm in arms {
        columns.push((arm.series(), scores(arm)));
        columns.extend(published(arm, measure));
    }
    columns.extend(lineup.yardsticks(measure).iter().map(|arm| (arm.series(), scores(arm))));
    let row = |(at, category)| ChartRow {
        label: category_label(category).to_owned(),
        values: columns.iter().map(|(_, values)| values.get(at).copied().flatten()).collect(),
    };
    DotPlot {
        heading: heading(lineup, format!("{}{suffix}", title(measure)), arms),
        axis: axis(measure),
        rows: categories_and_all().enumerate().map(row).collect(),
        series: columns.iter().map(|(series, _)| series.clone()).collect(),
        last_is_all: true,
    }
}

/// What the paper published for such an arm, if that may stand beside it.
fn published(arm: &LineupArm<'_>, measure: Measure) -> Option<(Series, Vec<Option<Value>>)> {
    let (name, values) = arm.published(measure)?;
    let Look::Arm(place) = arm.look else { return None };
    let series = Series { label: format!("paper: {name}"), look: Look::Published(place) };
    Some((series, values.iter().map(|&value| Some(Value::from(value))).collect()))
}

fn by_category_caption(measure: Measure) -> String {
    format!(
        "{} by category, with 95 % intervals, beside the best method without a model and chance.",
        if measure == Measure::Accuracy { "Accuracy" } else { "MAE" }
    )
}

/// Figures 2 and 3 of the paper, or what is needed for them.
fn profile_scale(lineup: &Lineup<'_>) -> Vec<Block> {
    let arms = lineup.with_purpose(|purpose| matches!(purpose, Purpose::ProfileScale(_)));
    if arms.is_empty() {
        return vec![Block::Paragraph(
            "Figures 2 and 3 of the paper show scores against the number of profile items. They are made of a run with the \
             methods `profile-scale(0)`, `profile-scale(58)`, `profile-scale(116)` and `profile-scale(174)` beside \
             `valuesim`, which reads all items."
                .to_owned(),
        )];
    }
    let figure = |(number, measure): (usize, Measure)| {
        let chart = over_items(lineup, &arms, measure);
        let caption = format!(
            "{} against the number of profile items that the backstory is written from, by category and over all questions, \
             with 95 % intervals over people.",
            if measure == Measure::Accuracy { "Accuracy" } else { "MAE" }
        );
        let id = format!("{}-by-profile-items", id(measure));
        Block::Figure(Figure::new(id, caption, |width| chart.draw(width)).numbered(number))
    };
    [(2, Measure::Accuracy), (3, Measure::Mae)].into_iter().map(figure).collect()
}

/// Scores over the number of profile items, a line for each model, a panel for each category.
fn over_items(lineup: &Lineup<'_>, arms: &[&LineupArm<'_>], measure: Measure) -> Lines {
    let mut models: Vec<(String, &LineupArm<'_>)> = Vec::new();
    for &arm in arms {
        let model = lineup.model_name(arm);
        if models.iter().all(|(known, _)| *known != model) {
            models.push((model, arm));
        }
    }
    let line = |model: &str, category| {
        let mut points: Vec<(f64, Value)> = lineup
            .asking
            .iter()
            .filter(|arm| lineup.model_name(arm) == model)
            .filter_map(|arm| point(arm, category, measure))
            .collect();
        points.sort_by(|(left, _), (right, _)| left.total_cmp(right));
        points
    };
    let panel = |category| Panel {
        title: category_label(category).to_owned(),
        lines: models.iter().map(|(model, _)| line(model, category)).collect(),
    };
    let series = |(at, (label, arm)): (usize, &(String, &LineupArm<'_>))| Series {
        label: simulated(label, arm),
        look: Look::Arm(at),
    };
    let shown: Vec<LineupArm<'_>> = arms.iter().copied().cloned().collect();
    Lines {
        heading: heading(lineup, format!("{} by profile items", title(measure)), &shown),
        across: Axis { title: "profile items".to_owned(), unit: Unit::Count, from_zero: true },
        up: axis(measure),
        panels: categories_and_all().map(panel).collect(),
        series: models.iter().enumerate().map(series).collect(),
    }
}

fn simulated(label: &str, arm: &LineupArm<'_>) -> String {
    if arm.run.simulated { format!("{label} SIMULATED") } else { label.to_owned() }
}

/// The number of profile items that an arm reads, and its score.
fn point(arm: &LineupArm<'_>, category: Option<Category>, measure: Measure) -> Option<(f64, Value)> {
    /// The items of the whole profile, with the paper's five folds of 290 questions.
    const WHOLE_PROFILE: u16 = 232;
    let items = match arm.results.arm.method {
        Method::ProfileScale(items) => items,
        Method::ValueSim => WHOLE_PROFILE,
        _ => return None,
    };
    Some((f64::from(items), score(arm, category, measure)?))
}

/// The radar of categories.
fn radars(lineup: &Lineup<'_>) -> Vec<Block> {
    let figure = |(at, (model, arms)): (usize, (String, Vec<LineupArm<'_>>))| {
        let suffix = if model.is_empty() { String::new() } else { format!(": {model}") };
        let heading = heading(lineup, format!("Accuracy by category{suffix}"), &arms);
        let arms = arms.into_iter().chain(lineup.yardsticks(Measure::Accuracy));
        let values = |arm: &LineupArm<'_>| {
            let of = |category| score(arm, Some(category), Measure::Accuracy).map(|value| value.value);
            Category::ALL.map(of).to_vec()
        };
        let radar = Radar {
            heading: Heading {
                subtitle: heading.subtitle.replace("; whiskers are 95 % intervals over people", ""),
                ..heading
            },
            axis: axis(Measure::Accuracy),
            categories: Category::ALL.map(|category| category_label(Some(category)).to_owned()).to_vec(),
            series: arms.map(|arm| (arm.series(), values(&arm))).collect(),
        };
        let caption = "The radar of categories: accuracy, with 0 in the centre; the first figure has the intervals.";
        Block::Figure(Figure::new(format!("radar-{}", at + 1), caption, |width| radar.draw(width)))
    };
    lineup.figures(&lineup.methods()).into_iter().enumerate().map(figure).collect()
}

/// Scores over all questions by model and method; `None` with a single model, whose figure by category says the same.
fn by_model(lineup: &Lineup<'_>, measure: Measure) -> Option<Figure> {
    let (mut models, mut methods) = (Vec::new(), Vec::new());
    for arm in lineup.methods() {
        let (model, method) = (lineup.model_name(arm), arm.results.arm.method);
        models.extend((!models.contains(&model)).then_some(model));
        methods.extend((!methods.contains(&method)).then_some(method));
    }
    if models.len() < 2 {
        return None;
    }
    let of = |model: &str, method: Method| {
        let is_it = |arm: &&LineupArm<'_>| arm.results.arm.method == method && lineup.model_name(arm) == model;
        lineup.asking.iter().find(is_it).and_then(|arm| arm.headline(measure))
    };
    let group = |model: &String| ChartRow {
        label: model.clone(),
        values: methods.iter().map(|&method| of(model, method)).chain([None]).collect(),
    };
    let colour = |(at, method): (usize, &Method)| Series { label: method.to_string(), look: Look::Arm(at) };
    let no_model = Series { label: "no model".to_owned(), look: Look::NoModel(0) };
    let arms: Vec<_> = lineup.methods().into_iter().cloned().collect();
    let mut groups: Vec<ChartRow> = models.iter().map(group).collect();
    groups.extend(lineup.yardsticks(measure).iter().map(|arm| ChartRow {
        label: arm.label.clone(),
        values: methods.iter().map(|_| None).chain([arm.headline(measure)]).collect(),
    }));
    let chart = GroupedBars {
        heading: heading(lineup, format!("{} by model and method", title(measure)), &arms),
        axis: axis(measure),
        series: methods.iter().enumerate().map(colour).chain([no_model]).collect(),
        groups,
    };
    let caption = format!("{} over all questions by model and method, with 95 % intervals.", measure.name());
    Some(Figure::new(format!("{}-by-model", id(measure)), caption, |width| chart.draw(width)))
}
