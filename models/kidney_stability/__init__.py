"""Whether creatinine shows an acute change that makes chronic measures of the kidney unfit for use."""
