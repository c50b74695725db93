"""Order checks: rules as rows of data, the drugs and conditions that they share, and the engine that applies them."""
