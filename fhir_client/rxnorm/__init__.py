"""Which ingredients RxNorm product codes stand for: the table, and the program that makes it."""
