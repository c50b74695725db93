"""What we believe about risk: features, models, their parameters and assessments; usable with no server at all."""
