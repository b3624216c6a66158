"""Results of suites as tables: quality and cost in one row, never two protocols in one column."""
