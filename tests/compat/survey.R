# What R's `survey` says of the samples that results_checks.py sends: JSON in on stdin, JSON out on stdout.

suppressPackageStartupMessages({
  library(survey)
  library(jsonlite)
})

of_sample <- function(sample) {
  people <- data.frame(score = sample$scores, weight = sample$weights)
  if (is.null(sample$population)) {
    design <- svydesign(ids = ~1, weights = ~weight, data = people)
  } else {
    people$population <- sample$population
    design <- svydesign(ids = ~1, weights = ~weight, fpc = ~population, data = people)
  }
  found <- svymean(~score, design)
  interval <- confint(found, df = degf(design))
  list(mean = as.numeric(coef(found)), standard_error = as.numeric(SE(found)), lower = interval[1], upper = interval[2])
}

samples <- fromJSON(file("stdin"), simplifyDataFrame = FALSE)
cat(toJSON(lapply(samples, of_sample), digits = NA, auto_unbox = TRUE))
