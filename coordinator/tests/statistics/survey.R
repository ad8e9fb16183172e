# Computes what R's `survey` says of the samples in golden.py, which starts this script: JSON in on stdin, JSON out on stdout.
# Debian has the packages as r-cran-survey and r-cran-jsonlite.

suppressPackageStartupMessages({
  library(survey)
  library(jsonlite)
})

# A simple random sample, with survey weights where the sample has them, from a population whose size may be known; or one
# from each stratum by itself, whose sizes in the population are known.
design <- function(sample) {
  people <- data.frame(
    score = sample$scores,
    part = sample$parts,
    whole = sample$wholes,
    weight = sample$weights,
    group = sample$groups
  )
  if (!is.null(sample$strata)) {
    people$stratum <- sample$strata
    people$population <- sample$populations[sample$strata + 1]
    people$weight <- people$weight * people$population / table(people$stratum)[as.character(people$stratum)]
    svydesign(ids = ~1, strata = ~stratum, weights = ~weight, fpc = ~population, data = people)
  } else if (is.null(sample$population)) {
    svydesign(ids = ~1, weights = ~weight, data = people)
  } else {
    people$population <- sample$population
    svydesign(ids = ~1, weights = ~weight, fpc = ~population, data = people)
  }
}

# An estimate with its standard error and its 95 % t interval.
estimate <- function(found, degrees) {
  interval <- confint(found, df = degrees)
  list(mean = as.numeric(coef(found)), standard_error = as.numeric(SE(found)), lower = interval[1], upper = interval[2])
}

of_sample <- function(sample) {
  whole <- design(sample)
  in_group <- subset(whole, group == 1)
  groups <- svyby(~score, ~group, whole, svymean, covmat = TRUE)
  # The first group minus the others, as svyby sorts them.
  difference <- svycontrast(groups, c(-1, 1))
  yes <- svyciprop(~score, whole, method = "xlogit", df = degf(whole))
  list(
    mean = estimate(svymean(~score, whole), degf(whole)),
    ratio = estimate(svyratio(~part, ~whole, whole), degf(whole)),
    group = estimate(svymean(~score, in_group), degf(in_group)),
    group_ratio = estimate(svyratio(~part, ~whole, in_group), degf(in_group)),
    difference = list(mean = as.numeric(coef(difference)), standard_error = as.numeric(SE(difference))),
    logit = list(lower = attr(yes, "ci")[[1]], upper = attr(yes, "ci")[[2]])
  )
}

samples <- fromJSON(file("stdin"), simplifyDataFrame = FALSE)
versions <- list(R = as.character(getRversion()), survey = as.character(packageVersion("survey")))
cat(toJSON(list(versions = versions, found = lapply(samples, of_sample)), digits = NA, auto_unbox = TRUE))
